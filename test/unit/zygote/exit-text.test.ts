import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeWaitStatus } from '../../../src/os/process.js';
import { exitText } from '../../../src/zygote/exit-text.js';

// Wait statuses as wait(2) encodes them.
for (const [status, expected] of [
  [0, 'with code 0'],
  [70 << 8, 'with code 70'],
  [255 << 8, 'with code 255'],
  [11, 'on signal 11 (SIGSEGV)'],
  [11 | 0x80, 'on signal 11 (SIGSEGV - core dumped)'],
  [9, 'on signal 9 (SIGKILL)'],
  [6, 'on signal 6 (SIGABRT)'],
  [3, 'on signal 3 (SIGQUIT)'],
  [40, 'on signal 40 ()'],
] as const)
  test(`status ${status} is "${expected}"`, () => assert.equal(exitText(decodeWaitStatus(status)), expected));

test('a status that its parent took along is said to be unknown', () => {
  assert.equal(exitText(undefined), 'with unknown status');
});
