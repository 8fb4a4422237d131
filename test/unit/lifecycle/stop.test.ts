import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PidFile } from '../../../src/lifecycle/pid-file.js';
import { deferred, type FakeSettings, fakeMaster, settled } from './fake-master.js';

const CLOSED = ['close systemd', 'close servers', 'close pools', 'close access logs'];

async function running(t: TestContext, settings?: FakeSettings) {
  const fake = fakeMaster(t, settings);
  await fake.master.start();
  fake.master.run();
  fake.done.length = 0;
  return { ...fake, code: fake.master.untilStopped() };
}

test('QUIT waits for requests without end where process_control_timeout is 0', async (t) => {
  const { master, done, code, poolsEnded, log } = await running(t);
  master.onSignal('SIGQUIT');
  t.mock.timers.tick(10_000_000);
  assert.deepEqual(done, ['STOPPING', 'drain']);
  poolsEnded.resolve();
  assert.equal(await code, 0);
  assert.deepEqual(done.slice(2), CLOSED);
  assert.equal(log.lines.at(-1), 'exiting, bye-bye!');
});

for (const signal of ['SIGQUIT', 'SIGTERM'] as const)
  test(`${signal} waits for requests up to process_control_timeout`, async (t) => {
    const { master, done } = await running(t, { boundS: 10 });
    master.onSignal(signal);
    t.mock.timers.tick(9999);
    assert.deepEqual(done, ['STOPPING', 'drain']);
    t.mock.timers.tick(1);
    assert.equal(master.state, 'killing');
    assert.ok(done.includes('kill workers'));
  });

test('TERM does not wait where process_control_timeout is 0', async (t) => {
  const { master, done } = await running(t);
  master.onSignal('SIGTERM');
  assert.deepEqual([master.state, done], ['killing', ['STOPPING', 'kill workers']]);
});

test('a second TERM does not wait', async (t) => {
  const { master, done } = await running(t, { boundS: 10 });
  master.onSignal('SIGTERM');
  master.onSignal('SIGTERM');
  assert.equal(master.state, 'killing');
  assert.equal(done.at(-1), 'kill workers');
});

test('what does not end is killed step by step, and left in the end', async (t) => {
  const { master, done, code, log } = await running(t);
  master.onSignal('SIGINT');
  await settled();
  t.mock.timers.tick(1999);
  assert.deepEqual(done, ['STOPPING', 'kill workers']);
  t.mock.timers.tick(1);
  assert.deepEqual(done.slice(2), ['kill zygotes']);
  t.mock.timers.tick(5000);
  assert.equal(await code, 70);
  assert.deepEqual(done.slice(3), CLOSED);
  assert.ok(log.lines.includes('processes that were killed do not end; leaving them'));
});

test('a stop waits for a reload that is under way', async (t) => {
  const { master, done, code, poolsEnded, reloads } = await running(t);
  master.onSignal('SIGUSR2');
  master.onSignal('SIGQUIT');
  poolsEnded.resolve();
  await settled();
  assert.ok(!done.includes('close pools'));
  reloads[0]?.({ isComplete: false, summary: 'given up' });
  assert.equal(await code, 0);
});

test('one part that cannot be closed does not keep the others open', async (t) => {
  const servers = {
    openHttp: async () => {},
    openControl: async () => {},
    close: () => Promise.reject(new Error('stuck')),
  };
  const { master, done, code, poolsEnded, log } = await running(t, { parts: { servers } });
  master.onSignal('SIGQUIT');
  poolsEnded.resolve();
  assert.equal(await code, 0);
  assert.deepEqual(done.slice(-2), ['close pools', 'close access logs']);
  assert.ok(log.lines.includes('stuck'));
});

/** @returns whether a pid file is left by a start that was abandoned */
async function abandoned(t: TestContext, parts: FakeSettings['parts']) {
  const folder = mkdtempSync('/tmp/tsfpm-stop-');
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'a.pid');
  const pidFile = new PidFile(path);
  const fake = fakeMaster(t, { parts: { ...parts, pidFile } });
  await fake.master.start();
  fake.poolsEnded.resolve();
  await fake.master.abandon();
  return { done: fake.done.slice(3), isPidFileLeft: existsSync(path) };
}

test('a start that failed is taken back', async (t) => {
  assert.deepEqual(await abandoned(t, {}), {
    done: ['kill workers', 'kill zygotes', ...CLOSED],
    isPidFileLeft: false,
  });
});

test('a start that failed leaves a former program what it serves with', async (t) => {
  const noted: string[] = [];
  const formerProgram = {
    ended: deferred().promise,
    retire: () => void noted.push('retire'),
    killWorkers: () => void noted.push('kill workers'),
    killZygotes: () => void noted.push('kill zygotes'),
  };
  assert.deepEqual(await abandoned(t, { formerProgram }), {
    done: [
      'kill workers',
      'kill zygotes',
      'close systemd',
      'close servers',
      'close pools, keep inherited',
      'keep access logs',
    ],
    isPidFileLeft: true,
  });
  assert.deepEqual(noted, []);
});
