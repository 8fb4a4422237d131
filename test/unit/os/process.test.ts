import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { type EndedChild, reapChild } from '../../../src/os/ended-child.js';
import {
  becomeSubreaper,
  decodeWaitStatus,
  resourceLimit,
  setPriority,
  setResourceLimit,
} from '../../../src/os/process.js';

test('decodes how a process ended', () => {
  assert.deepEqual(decodeWaitStatus(0), { kind: 'exited', code: 0 });
  assert.deepEqual(decodeWaitStatus(0xff00), { kind: 'exited', code: 255 });
  assert.deepEqual(decodeWaitStatus(9), { kind: 'signaled', signal: 9, isCoreDumped: false });
  assert.deepEqual(decodeWaitStatus(11 | 0x80), { kind: 'signaled', signal: 11, isCoreDumped: true });
});

test('inherits and reaps the child of a child', async () => {
  becomeSubreaper();
  const pid = Number(
    execFileSync('/bin/sh', ['-c', '(sleep 0.05; exit 7) >/dev/null & echo $!'], { encoding: 'utf8' }),
  );
  let ended: EndedChild | undefined;
  for (const deadline = Date.now() + 5000; ended === undefined && Date.now() < deadline; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    ended = reapChild(pid);
  }
  assert.deepEqual(ended, { pid, status: { kind: 'exited', code: 7 } });
  assert.equal(reapChild(pid), undefined);
});

test('sets a priority', () => {
  const before = getPriority();
  setPriority(0, before + 1);
  assert.equal(getPriority(), before + 1);
});

test('reads and sets limits', () => {
  const { soft, hard } = resourceLimit('openFiles');
  setResourceLimit('openFiles', { soft: soft - 1, hard });
  assert.deepEqual(resourceLimit('openFiles'), { soft: soft - 1, hard });
  assert.throws(() => setResourceLimit('openFiles', { soft: hard + 1, hard }), { code: 'EINVAL' });
  assert.ok(resourceLimit('core').hard >= 0);
});
