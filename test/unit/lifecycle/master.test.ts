import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FormerProgram } from '../../../src/lifecycle/stop.js';
import { DONE, deferred, type FakeSettings, fakeMaster, settled } from './fake-master.js';

const REFUSED = { isComplete: false, summary: 'refused' };
const STOPPING = { isComplete: false, summary: 'the master is stopping' };

/** A master that runs; what it has done before is forgotten. */
async function running(t: TestContext, settings?: FakeSettings) {
  const fake = fakeMaster(t, settings);
  await fake.master.start();
  fake.master.run();
  fake.done.length = 0;
  return fake;
}

function formerProgram(done: string[]): FormerProgram {
  return {
    ended: Promise.resolve(),
    retire: (boundMs = 0) => void done.push(`retire former, ${boundMs} ms`),
    killWorkers: () => void done.push('kill former workers'),
    killZygotes: () => void done.push('kill former zygotes'),
  };
}

test('a start is pools, then servers; what runs is told last', async (t) => {
  const { master, done } = fakeMaster(t);
  await master.start();
  assert.equal(master.state, 'starting');
  assert.deepEqual(done, ['start pools', 'open http', 'open control']);
  master.run();
  assert.equal(master.state, 'running');
  assert.deepEqual(done.slice(3), ['run pools', 'READY']);
});

test('a former program retires once the pools run, within process_control_timeout', async (t) => {
  const former: string[] = [];
  const { master } = fakeMaster(t, { boundS: 3, parts: { formerProgram: formerProgram(former) } });
  await master.start();
  assert.deepEqual(former, []);
  master.run();
  assert.deepEqual(former, ['retire former, 3000 ms']);
});

test('without root it is told which directives are ignored', async (t) => {
  const { master, log } = fakeMaster(t, { parts: { isRoot: false } });
  await master.start();
  assert.match(log.lines.join('\n'), /'user' directive is ignored when FPM is not running as root/);
});

test('a stop during the start ends it there', async (t) => {
  const { master, done, poolsEnded } = fakeMaster(t);
  const started = master.start();
  master.onSignal('SIGINT');
  await started;
  master.run();
  assert.deepEqual(done, ['start pools', 'STOPPING', 'kill workers']);
  poolsEnded.resolve();
  assert.equal(await master.untilStopped(), 0);
});

test('a mistake during the start fails it', async (t) => {
  const { master, log } = fakeMaster(t);
  const started = master.start();
  master.onMistake(new TypeError('nobody thought of it'));
  await assert.rejects(started, { name: 'StartFailure', exitCode: 70 });
  assert.match(log.lines[0] ?? '', /; the start ends: TypeError: nobody thought of it/);
});

test('a reload that is asked for during the start follows it', async (t) => {
  const { master, done } = fakeMaster(t);
  const started = master.start();
  master.onSignal('SIGHUP');
  await started;
  master.run();
  assert.deepEqual(done.slice(3), ['run pools', 'READY', 'RELOADING', 'reload']);
  assert.equal(master.state, 'reloading');
});

test('signals during a reload make one more, and who waits hears of its own', async (t) => {
  const { master, done, reloads } = await running(t);
  const first = master.reload();
  master.onSignal('SIGUSR2');
  const second = master.reload();
  assert.deepEqual(done, ['RELOADING', 'reload']);
  reloads[0]?.(DONE);
  assert.deepEqual(await first, DONE);
  await settled();
  assert.deepEqual(done, ['RELOADING', 'reload', 'READY', 'RELOADING', 'reload']);
  reloads[1]?.(REFUSED);
  assert.deepEqual(await second, REFUSED);
  await settled();
  assert.equal(master.state, 'running');
  assert.equal(done.length, 6);
});

test('a stop during a reload ends what the reload has started, and nobody waits for ever', async (t) => {
  for (const [signal, stop] of [
    ['SIGQUIT', 'drain'],
    ['SIGINT', 'kill workers'],
  ] as const)
    await t.test(signal, async (t) => {
      const { master, done, reloads } = await running(t);
      const first = master.reload();
      const second = master.reload();
      master.onSignal(signal);
      assert.deepEqual(done, ['RELOADING', 'reload', 'STOPPING', stop]);
      reloads[0]?.(REFUSED);
      assert.deepEqual(await first, REFUSED);
      assert.deepEqual(await second, STOPPING);
      assert.deepEqual(done.slice(4), [stop]);
      assert.deepEqual(await master.reload(), STOPPING);
    });
});

test('USR2 after an installation upgrades, and reloads where that is refused', async (t) => {
  const upgrader = {
    isNewVersionInstalled: () => true,
    upgrade: async () => REFUSED,
    restart: async () => {},
  };
  const { master, done } = await running(t, { parts: { upgrader } });
  master.onSignal('SIGUSR2');
  await settled();
  assert.deepEqual(done, ['RELOADING', 'READY', 'RELOADING', 'reload']);
});

test('an upgrade is for a master that runs, and what was asked for meanwhile follows', async (t) => {
  const upgraded = deferred<typeof REFUSED>();
  let stop: AbortSignal | undefined;
  const upgrader = {
    isNewVersionInstalled: () => false,
    upgrade: (_restarts: unknown, signal: AbortSignal) => {
      stop = signal;
      return upgraded.promise;
    },
    restart: async () => {},
  };
  const { master, done } = await running(t, { parts: { upgrader } });
  const outcome = master.upgrade();
  assert.equal(master.state, 'reloading');
  assert.deepEqual(await master.upgrade(), { isComplete: false, summary: 'not while reloading' });
  master.onSignal('SIGHUP');
  upgraded.resolve(REFUSED);
  assert.deepEqual(await outcome, REFUSED);
  assert.deepEqual(done, ['RELOADING', 'READY', 'RELOADING', 'reload']);
  assert.equal(stop?.aborted, false);
  master.onSignal('SIGTERM');
  assert.equal(stop?.aborted, true);
});

test('a mistake restarts the master in place, and the next one after a pause', async (t) => {
  const { master, done, log } = await running(t);
  master.onMistake('odd');
  assert.match(log.lines.at(-1) ?? '', /; the master restarts in place, and the service goes on: odd$/);
  t.mock.timers.tick(0);
  await settled();
  // The restart was refused: the program that runs goes on.
  assert.deepEqual(done, ['RELOADING', 'restart', 'READY']);
  master.onMistake('odd');
  assert.match(log.lines.at(-1) ?? '', /; the master restarts in place in 60 s, /);
  t.mock.timers.tick(59_999);
  assert.equal(done.length, 3);
  t.mock.timers.tick(1);
  assert.deepEqual(done.slice(3), ['RELOADING', 'restart']);
});

test('a restart waits for the reload that is under way', async (t) => {
  const { master, done, reloads } = await running(t);
  master.onSignal('SIGUSR2');
  master.onMistake('odd');
  t.mock.timers.tick(0);
  assert.deepEqual(done, ['RELOADING', 'reload']);
  reloads[0]?.(DONE);
  await settled();
  assert.deepEqual(done.slice(2), ['READY', 'RELOADING', 'restart', 'READY']);
});

test('a mistake during a stop is told and changes nothing', async (t) => {
  const { master, done, log } = await running(t);
  master.onSignal('SIGQUIT');
  master.onMistake('odd');
  assert.equal(log.lines.at(-1), 'internal error, please report it: odd');
  t.mock.timers.tick(1_000_000);
  assert.deepEqual(done, ['STOPPING', 'drain']);
});

test('logs are opened again in every state', async (t) => {
  const { master, done } = await running(t);
  master.onSignal('SIGUSR1');
  master.onSignal('SIGQUIT');
  master.onSignal('SIGUSR1');
  assert.deepEqual(done, ['reopen logs', 'STOPPING', 'drain', 'reopen logs']);
});

test('php-fpm’s names of the states are told at level debug', async (t) => {
  const { master, log } = await running(t);
  log.lines.length = 0;
  master.onSignal('SIGTERM');
  master.onSignal('SIGINT');
  assert.deepEqual(log.lines, [
    'received SIGTERM',
    "switching to 'terminating' state",
    'Terminating ...',
    'received SIGINT',
  ]);
});
