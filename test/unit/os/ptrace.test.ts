import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { whileStopped } from '../../../src/os/ptrace.js';
import { until } from '../../helpers/wait.js';

/** A shell that is nobody's child but another shell's, as a worker is its zygote's. */
async function startShell(t: TestContext, script: string) {
  const shell = spawn('/bin/sh', ['-c', '/bin/sh -c "$1" & echo $!; wait', 'sh', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  t.after(() => {
    try {
      process.kill(-(shell.pid as number), 'SIGKILL');
    } catch {
      // ESRCH: it has ended
    }
  });
  let output = '';
  shell.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const pid = Number(await until('it tells its pid', () => /^(\d+)\n/.exec(output)?.[1]));
  return { pid, output: () => output };
}

function statusOf(pid: number): { state: string; tracer: string } {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  return {
    state: /^State:\t(.)/m.exec(text)?.[1] ?? '',
    tracer: /^TracerPid:\t(\d+)/m.exec(text)?.[1] ?? '',
  };
}

test('a process stands still while something is done, and goes on after it', async (t) => {
  for (const script of ['while :; do :; done', 'sleep 30; :']) {
    const { pid } = await startShell(t, script);
    const stopped = await whileStopped(pid, () => statusOf(pid));
    assert.deepEqual(stopped?.value, { state: 't', tracer: String(process.pid) }, script);
    await until('it goes on', () => 'RS'.includes(statusOf(pid).state));
    assert.equal(statusOf(pid).tracer, '0');
  }
});

test('a signal that comes meanwhile is not lost', async (t) => {
  const { pid, output } = await startShell(
    t,
    'trap "echo caught" USR1; echo ready; while :; do sleep 0.05; done',
  );
  await until('it is ready', () => output().includes('ready'));
  for (let count = 1; count <= 5; count++) {
    process.kill(pid, 'SIGUSR1');
    await whileStopped(pid, () => undefined);
    await until('the trap is run', () => output().split('caught').length === count + 1);
  }
});

test('it is let go whatever happens, and may be stopped again', async (t) => {
  const { pid } = await startShell(t, 'while :; do :; done');
  await assert.rejects(
    whileStopped(pid, () => {
      throw new Error('in between');
    }),
    /in between/,
  );
  assert.equal(statusOf(pid).tracer, '0');
  assert.equal((await whileStopped(pid, () => 5))?.value, 5);
});

test('one that has ended cannot be stopped, one that ends is gone', async (t) => {
  const { pid } = await startShell(t, 'sleep 30');
  process.kill(pid, 'SIGKILL');
  await until(
    'it is gone',
    async () => (await whileStopped(pid, () => 1).catch(() => undefined)) === undefined,
  );
});
