import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { reapChild } from '../../../src/os/ended-child.js';
import { becomeSubreaper } from '../../../src/os/process.js';
import { descendsFrom, openWorker } from '../../../src/zygote/parentage.js';
import { processInfo } from '../../helpers/processes.js';
import { until } from '../../helpers/wait.js';

/** A stand-in for a zygote, as the master starts one, whose script prints the pids of its children. */
async function zygote(t: TestContext, script: string) {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] });
  const pid = child.pid ?? 0;
  t.after(() => child.kill('SIGKILL'));
  const [said] = await once(child.stdout, 'data');
  return { child, pid, children: String(said).trim().split(/\s+/).map(Number) };
}

test('a child of the zygote is its worker, also one that has just ended', async (t) => {
  const { pid, children } = await zygote(t, 'sleep 60 & a=$!; sleep 0 & echo $a $!; read x; kill $a');
  const [alive = 0, dead = 0] = children;
  assert.ok(descendsFrom(alive, pid));
  await until('it has ended', () => processInfo(dead) === undefined);
  assert.ok(descendsFrom(dead, pid));
  openWorker(alive, pid)?.send('SIGKILL');
  await until('it has ended, too', () => processInfo(alive) === undefined);
});

test('so is a child of the php-cgi that a script started in its stead', async (t) => {
  const { pid, children } = await zygote(t, 'sh -c "sleep 60 & echo \\$!; wait"; true');
  assert.ok(descendsFrom(children[0] ?? 0, pid));
  openWorker(children[0] ?? 0, pid)?.send('SIGKILL');
});

test('strangers are not: the master, init, another zygote and its workers, the zygote itself', async (t) => {
  const one = await zygote(t, 'sleep 60 & echo $!; read x; kill $!');
  const other = await zygote(t, 'sleep 60 & echo $!; read x; kill $!');
  for (const pid of [0, 1, -1, 2 ** 30, process.pid, process.ppid, other.pid, ...other.children, one.pid]) {
    assert.equal(descendsFrom(pid, one.pid), false, `${pid}`);
    assert.equal(openWorker(pid, one.pid), undefined);
  }
  for (const { children, pid } of [one, other]) openWorker(children[0] ?? 0, pid)?.send('SIGKILL');
});

test('a worker whose zygote has died is still known by its session, and no other orphan is', async (t) => {
  becomeSubreaper();
  const one = await zygote(t, 'sleep 60 & echo $!; read x');
  const other = await zygote(t, 'sleep 60 & echo $!; read x');
  for (const { child } of [one, other]) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const [orphan = 0] = one.children;
  assert.ok(descendsFrom(orphan, one.pid));
  assert.equal(descendsFrom(other.children[0] ?? 0, one.pid), false);
  for (const { children, pid } of [one, other]) {
    const worker = openWorker(children[0] ?? 0, pid);
    assert.ok(worker);
    worker.send('SIGKILL');
    await until('it is reaped', () => reapChild(worker.pid));
  }
});
