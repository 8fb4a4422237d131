import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import type { Count } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { descriptorsOf, killProcess } from '../helpers/processes.js';
import { INCOMPLETE, REFUSED, reload, zygotesOf } from '../helpers/reload.js';
import { ONDEMAND } from '../helpers/scaling-pools.js';
import { until } from '../helpers/wait.js';

// The limit of a running master is lowered until it can open no descriptor more, or only so many, and raised again.

const files = { 'pid.php': PID_PHP };
const ROOMS: readonly Count[] = [0, 1, 2, 3, 5, 8, 12];
async function start(t: TestContext): Promise<Daemon> {
  const tsfpm = await startTsfpm(t, { files, pools: { www: {}, other: {}, cold: ONDEMAND } });
  await settledDescriptors(tsfpm);
  return tsfpm;
}

/** Their number, once it stays: the thread that waits for clients opens its own after the start. */
async function settledDescriptors(tsfpm: Daemon): Promise<Count> {
  let [count, sinceMs] = [0, 0];
  await until('descriptors stay as many', () => {
    const now = descriptorsOf(tsfpm.pid).size;
    if (now !== count) [count, sinceMs] = [now, performance.now()];
    return performance.now() - sinceMs > 300;
  });
  return count;
}

/** Descriptors that the master can still open; undefined takes the limit away. */
function leaveRoomFor(tsfpm: Daemon, room: Count | undefined): void {
  const open = descriptorsOf(tsfpm.pid);
  const unused = Array.from({ length: open.size + 64 }, (_, fd) => fd).filter((fd) => !open.has(fd));
  const soft = room === undefined ? 'unlimited' : String(unused[room]);
  // What a container may not raise above its hard limit stays below that.
  const value = room === undefined ? hardLimit(tsfpm) : soft;
  execFileSync('prlimit', [`--nofile=${value}:`, '--pid', String(tsfpm.pid)]);
}

function hardLimit(tsfpm: Daemon): string {
  return execFileSync('prlimit', ['--nofile', '--output=HARD', '--noheadings', '--pid', String(tsfpm.pid)])
    .toString()
    .trim();
}

/** A child of the master's answers, whatever the master can open. */
async function serves(tsfpm: Daemon, ...pools: string[]): Promise<void> {
  for (const pool of pools) assert.match(await tsfpm.get('pid.php', { pool }), /[0-9]/, pool);
}

/** Also what a template says that was started meanwhile, with the master's limit. */
const SHORT = /[Tt]oo many open files|EMFILE|template of php-cgi: cannot renumber a descriptor/;

test('a reload without descriptors is told and changes nothing, and the next one works', async (t) => {
  const tsfpm = await start(t);
  tsfpm.announce(SHORT, INCOMPLETE, REFUSED, /unable to open|failed to load configuration/);
  await tsfpm.get('pid.php', { pool: 'cold' });
  await until('the old generation is gone', () => zygotesOf(tsfpm, 'www').length === 1);
  const before = await settledDescriptors(tsfpm);
  for (const room of ROOMS) {
    leaveRoomFor(tsfpm, room);
    tsfpm.signal('SIGUSR2');
    await tsfpm.log.expect(/(?:reload refused|not in force|ready to handle connections).*\n/);
    await serves(tsfpm, 'www', 'other');
    leaveRoomFor(tsfpm, undefined);
    await reload(tsfpm);
    await serves(tsfpm, 'www', 'other', 'cold');
    await until('there are as many descriptors as before', () => descriptorsOf(tsfpm.pid).size === before);
  }
  assert.doesNotMatch(tsfpm.log.text, /internal error/);
});

for (const room of [0, 1, 2])
  test(`with room for ${room} descriptors a zygote that dies is replaced once there are more`, async (t) => {
    const tsfpm = await start(t);
    tsfpm.announce(SHORT, /zygote .* exited on signal 9.*; starting another/);
    leaveRoomFor(tsfpm, room);
    killProcess(tsfpm.zygote('www') ?? 0);
    await tsfpm.log.expect(/\[pool www\] .*(?:too many open files|EMFILE).*; starting another in [0-9]+ s/i);
    await serves(tsfpm, 'other');
    leaveRoomFor(tsfpm, undefined);
    await tsfpm.untilWorkers(2, 'www');
    await serves(tsfpm, 'www');
    assert.doesNotMatch(tsfpm.log.text, /internal error/);
  });

for (const room of ROOMS)
  test(`with room for ${room} descriptors an ondemand pool serves at the latest once there are more`, async (t) => {
    const tsfpm = await start(t);
    tsfpm.announce(SHORT);
    leaveRoomFor(tsfpm, room);
    const answer = tsfpm.request('pid.php', { pool: 'cold', timeoutMs: 60_000 });
    await Promise.race([answer, tsfpm.log.expect(SHORT)]);
    await serves(tsfpm, 'www', 'other');
    leaveRoomFor(tsfpm, undefined);
    assert.match((await answer).text, /[0-9]/);
    assert.doesNotMatch(tsfpm.log.text, /internal error/);
  });

for (const signal of ['SIGTERM', 'SIGQUIT', 'SIGINT'] as const)
  test(`${signal} without descriptors ends the service in order, in a reload too`, async (t) => {
    for (const isReloading of [false, true]) {
      const tsfpm = await start(t);
      tsfpm.announce(
        SHORT,
        INCOMPLETE,
        REFUSED,
        /unable to open|reload given up|failed to load configuration/,
      );
      leaveRoomFor(tsfpm, isReloading ? 3 : 0);
      if (isReloading) tsfpm.signal('SIGUSR2');
      assert.deepEqual(await tsfpm.stop(signal), { code: 0, signal: null });
      assert.match(tsfpm.log.text, /exiting, bye-bye!\n$/);
      assert.doesNotMatch(tsfpm.log.text, /internal error/);
    }
  });
