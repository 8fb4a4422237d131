import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archiveFrom, NotAvailable } from '../../php/archive.js';

const DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n';
const UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME="noble"\n';

for (const [name, os, targets, expected] of [
  [
    'Debian, with other sources before and its updates behind',
    DEBIAN,
    'nodistro main http://node.test/\nbookworm-security main http://mirror.test/security/\nbookworm main http://mirror.test/debian/\n',
    { distribution: 'debian', uri: 'http://mirror.test/debian/' },
  ],
  [
    'Ubuntu',
    UBUNTU,
    'noble restricted http://mirror.test/other/\nnoble main http://mirror.test/ubuntu/\n',
    { distribution: 'ubuntu', uri: 'http://mirror.test/ubuntu/' },
  ],
] as const)
  test(`the archive of ${name}`, () =>
    assert.deepEqual(
      archiveFrom(os, () => targets),
      expected,
    ));

for (const [name, os, targets, reason] of [
  ['another distribution', 'ID=fedora\n', '', /^this is fedora; .* Debian or Ubuntu/],
  ['no name of one', '', '', /^this is unknown/],
  [
    'sources without its own release',
    DEBIAN,
    'trixie main http://mirror.test/\n',
    /no archive with bookworm main$/,
  ],
  ['no sources at all', UBUNTU, '', /no archive with noble main$/],
] as const)
  test(`${name} is told`, () =>
    assert.throws(
      () => archiveFrom(os, () => targets),
      (error) => error instanceof NotAvailable && reason.test(error.message),
    ));
