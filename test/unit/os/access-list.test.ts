import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type AccessEntry,
  decodeAccessList,
  encodeAccessList,
  readAccessList,
  withAccess,
  writeAccessList,
} from '../../../src/os/access-list.js';

const OF_0640: AccessEntry[] = [
  { tag: 'owner', rights: 6 },
  { tag: 'owningGroup', rights: 4 },
  { tag: 'other', rights: 0 },
];

test('an entry is eight little-endian bytes, in the order of the kernel', () => {
  const list = withAccess(OF_0640, { users: [0x0102, 7], groups: [9] }, 6);
  assert.equal(
    encodeAccessList(list).toString('hex'),
    [
      '02000000',
      '01000600ffffffff',
      '0200060007000000',
      '0200060002010000',
      '04000400ffffffff',
      '0800060009000000',
      '10000600ffffffff',
      '20000000ffffffff',
    ].join(''),
  );
  const byText = (a: AccessEntry, b: AccessEntry) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  assert.deepEqual(decodeAccessList(encodeAccessList(list)).sort(byText), list.sort(byText));
});

test('who is named twice is there once, and the mask takes nothing away', () => {
  const before: AccessEntry[] = [...OF_0640, { tag: 'user', id: 7, rights: 5 }, { tag: 'mask', rights: 0 }];
  assert.deepEqual(withAccess(before, { users: [7, 7], groups: [] }, 6), [
    ...OF_0640,
    { tag: 'user', id: 7, rights: 7 },
    { tag: 'mask', rights: 7 },
  ]);
});

for (const [what, bytes] of [
  ['nothing', ''],
  ['another version', '03000000'],
  ['half an entry', '0200000001000600'],
  ['an unknown tag', '0200000003000600ffffffff'],
] as const)
  test(`${what} is no access list`, () => {
    assert.throws(() => decodeAccessList(Buffer.from(bytes, 'hex')), { code: 'EINVAL' });
  });

test('the kernel keeps what is written, and shows the mask as the rights of the group', (t) => {
  const folder = mkdtempSync('/tmp/tsfpm-acl-');
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'file');
  writeFileSync(path, '', { mode: 0o640 });
  assert.deepEqual(readAccessList(path, statSync(path).mode), OF_0640);
  const list = withAccess(OF_0640, { users: [33], groups: [34] }, 6);
  try {
    writeAccessList(path, list);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTSUP') {
      t.skip('the file system of /tmp keeps no access lists');
      return;
    }
    throw error;
  }
  assert.deepEqual(encodeAccessList(readAccessList(path, 0)), encodeAccessList(list));
  assert.equal(statSync(path).mode & 0o777, 0o660);
});

test('a file system without lists says so', () => {
  assert.throws(() => readAccessList('/proc/self/status', 0o444), { code: 'ENOTSUP' });
  assert.throws(() => writeAccessList('/proc/self/status', OF_0640), { code: 'ENOTSUP' });
});
