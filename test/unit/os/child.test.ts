import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isWaitedFor, outputOf } from '../../../src/os/child.js';
import { Orphans } from '../../../src/zygote/orphans.js';

/** In which Node learns nothing of its children. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('whoever looks for orphans leaves the status of a program that was asked something', {
  timeout: 10_000,
}, async () => {
  const orphans = new Orphans(isWaitedFor);
  const printed = outputOf('/bin/echo', ['some', 'words'], {});
  block(300);
  orphans.reap();
  assert.equal(await printed, 'some words\n');
});

test('a program that cannot be run prints nothing, and one that hangs is ended', async () => {
  assert.equal(await outputOf('/nowhere/at-all', [], {}), '');
  assert.equal(await outputOf('/bin/sleep', ['20'], { timeout: 50, killSignal: 'SIGKILL' }), '');
});
