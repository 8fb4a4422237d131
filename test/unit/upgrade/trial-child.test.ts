import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { libcFunction } from '../../../src/os/libc.js';
import { runTrial } from '../../../src/upgrade/trial-child.js';
import { isAlive } from '../../helpers/processes.js';
import { sleep, until } from '../../helpers/wait.js';

const LONG_MS = 60_000;
const never = new AbortController().signal;
const sh = (script: string) => ({ program: '/bin/sh', argv: ['-c', script], environment: process.env });

/** A script's own pid, and that of a process it starts, by a file. */
function pidFile(t: TestContext): { path: string; pids: () => number[] } {
  const folder = mkdtempSync(join(tmpdir(), 'trial-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pids');
  const pids = () => {
    try {
      return readFileSync(path, 'utf8').split('\n').filter(Boolean).map(Number);
    } catch {
      return []; // not there yet
    }
  };
  return { path, pids };
}

test('a trial that exits with 0 is passed', async () => {
  assert.equal(await runTrial(sh('exit 0'), { patienceMs: LONG_MS, stop: never }), undefined);
});

test('one that fails is told with its end and its last words', async () => {
  const bounds = { patienceMs: LONG_MS, stop: never };
  assert.equal(
    await runTrial(sh('echo no such pool >&2; exit 78'), bounds),
    'it ended with code 78: no such pool',
  );
  assert.equal(await runTrial(sh('kill -SEGV $$'), bounds), 'it ended with SIGSEGV: ');
  const missing = { ...sh(''), program: '/nonexistent/node' };
  assert.match((await runTrial(missing, bounds)) ?? '', /ENOENT/);
});

test('a process that it leaves behind with its stderr does not hold the verdict up', async (t) => {
  const { path, pids } = pidFile(t);
  const script = `sleep 60 & echo $! > ${path}; exit 0`;
  assert.equal(await runTrial(sh(script), { patienceMs: LONG_MS, stop: never }), undefined);
  for (const pid of pids()) process.kill(pid, 'SIGKILL');
});

test('one that takes too long is ended with all that it has started', async (t) => {
  const { path, pids } = pidFile(t);
  const script = `trap '' TERM; echo begun >&2; echo $$ > ${path}; sleep 60 & echo $! >> ${path}; wait; wait`;
  assert.equal(
    await runTrial(sh(script), { patienceMs: 1000, stop: never }),
    'it was not done after 1 s: begun',
  );
  await until('both are gone', () => pids().length === 2 && !pids().some(isAlive));
});

test('a stop ends it at once', async (t) => {
  const { path, pids } = pidFile(t);
  const stop = new AbortController();
  const verdict = runTrial(sh(`echo $$ > ${path}; exec sleep 60`), {
    patienceMs: LONG_MS,
    stop: stop.signal,
  });
  await until('it runs', () => pids().length > 0);
  stop.abort();
  assert.equal(await verdict, 'the master is stopping');
  await until('it is gone', () => !pids().some(isAlive));
  assert.equal(
    await runTrial(sh('exit 0'), { patienceMs: LONG_MS, stop: stop.signal }),
    'the master is stopping',
  );
});

test('one whose status somebody else has taken is given up in time', async (t) => {
  const { path, pids } = pidFile(t);
  const verdict = runTrial(sh(`echo $$ > ${path}; sleep 0.2`), { patienceMs: 2000, stop: never });
  await until('it runs', () => pids().length > 0);
  // Without a turn of the event loop, in which Node would take it.
  const waitpid = libcFunction<(pid: number, status: null, options: number) => number>(
    'int waitpid(int pid, void *wstatus, int options)',
  );
  assert.equal(waitpid(pids()[0] ?? 0, null, 0), pids()[0]);
  assert.equal(await verdict, 'it was not done after 2 s: ');
  await sleep(0);
});
