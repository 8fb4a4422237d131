import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

import { outputOf, startChild } from '../../../src/os/child.js';
import { peekEndedChild, reapChild } from '../../../src/os/ended-child.js';
import { becomeSubreaper, type ExitStatus } from '../../../src/os/process.js';
import { Orphans } from '../../../src/zygote/orphans.js';

/** In which Node learns nothing of its children. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('whoever looks for orphans leaves the status of a program that was asked something', {
  timeout: 10_000,
}, async () => {
  const orphans = new Orphans();
  const printed = outputOf('/bin/echo', ['some', 'words'], { timeout: 9000 });
  block(300);
  orphans.reap();
  assert.equal(await printed, 'some words\n');
});

test('a child of Node that has ended is nobody else to take, and hides no other child', {
  timeout: 10_000,
}, async () => {
  becomeSubreaper();
  const child = startChild('/bin/sh', ['-c', 'exit 3'], { stdio: 'ignore' });
  const orphan = Number(
    execFileSync('/bin/sh', ['-c', '(sleep 0.1; exit 7) >/dev/null & echo $!'], { encoding: 'utf8' }),
  );
  const orphans = new Orphans();
  let end: ExitStatus | undefined;
  orphans.watch(orphan, (status) => {
    end = status;
  });
  block(500);
  assert.equal(peekEndedChild(), child.pid);
  assert.equal(reapChild(child.pid ?? 0), undefined);
  assert.equal(reapChild(-1), undefined);
  orphans.reap();
  assert.deepEqual(end, { kind: 'exited', code: 7 });
  assert.deepEqual(await once(child, 'exit'), [3, null]);
});

test('a program that cannot be run prints nothing, and one that hangs is ended', async () => {
  assert.equal(await outputOf('/nowhere/at-all', [], { timeout: 9000 }), '');
  assert.equal(await outputOf('/bin/sleep', ['20'], { timeout: 50, killSignal: 'SIGKILL' }), '');
});
