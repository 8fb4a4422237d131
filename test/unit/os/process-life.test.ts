import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { isSameLife, processLife } from '../../../src/os/process-life.js';

test('a process lives until it ends', async () => {
  const child = spawn('sleep', ['60']);
  const life = processLife(child.pid ?? 0);
  assert.ok(life && isSameLife(life));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(isSameLife(life), false);
  assert.equal(processLife(child.pid ?? 0), undefined);
});

test('the pid of another life is not the same', () => {
  const own = processLife(process.pid);
  assert.ok(own && isSameLife(own));
  assert.equal(isSameLife({ ...own, startTicks: '1' }), false);
  assert.equal(processLife(2 ** 30), undefined);
});
