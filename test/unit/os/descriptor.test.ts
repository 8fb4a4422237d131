import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { duplicateDescriptor, replaceDescriptor, setCloseOnExec } from '../../../src/os/descriptor.js';

const CLOSED_ON_EXEC = /flags:\t0*2\d{6}\n/;

test('replaces what a descriptor stands for', () => {
  const one = openSync('/dev/null', 'r');
  const two = openSync('/dev/zero', 'r');
  const copy = duplicateDescriptor(two, 20);
  assert.ok(copy >= 20);
  replaceDescriptor(one, two);
  assert.equal(readlinkSync(`/proc/self/fd/${two}`), '/dev/null');
  assert.equal(readlinkSync(`/proc/self/fd/${copy}`), '/dev/zero');
  for (const fd of [one, two, copy]) closeSync(fd);
  assert.throws(() => replaceDescriptor(one, 30), { code: 'EBADF' });
});

test('marks a descriptor for exec', () => {
  const fd = openSync('/dev/null', 'r');
  const info = () => readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  assert.match(info(), CLOSED_ON_EXEC);
  setCloseOnExec(fd, false);
  assert.doesNotMatch(info(), CLOSED_ON_EXEC);
  setCloseOnExec(fd, true);
  assert.match(info(), CLOSED_ON_EXEC);
  closeSync(fd);
});
