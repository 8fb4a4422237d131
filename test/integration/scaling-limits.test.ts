import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Count } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { burst, DYNAMIC, ONDEMAND, SEEMS_BUSY, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { statusJson } from '../helpers/status-page.js';
import { until } from '../helpers/wait.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };

/** Looks at the workers while something is done. @returns the most that were seen at once, of all pools together */
async function mostWorkers(
  tsfpm: Daemon,
  pools: readonly string[],
  act: () => Promise<unknown>,
): Promise<Count> {
  let most = 0;
  const look = () => {
    most = Math.max(
      most,
      pools.reduce((sum, pool) => sum + tsfpm.workers(pool).length, 0),
    );
  };
  const timer = setInterval(look, 20);
  try {
    await act();
    look();
  } finally {
    clearInterval(timer);
  }
  return most;
}

const count = (tsfpm: Daemon, pattern: RegExp): Count =>
  tsfpm.log.lines.filter((line) => pattern.test(line)).length;

for (const [pm, text] of [
  ['dynamic', '[pool www] server reached pm.max_children setting (3), consider raising it'],
  ['ondemand', '[pool www] server reached max_children setting (3), consider raising it'],
] as const)
  test(`${pm}: a pool at pm.max_children says so once, and counts it`, async (t) => {
    const tsfpm = await startTsfpm(t, {
      pools: {
        www: {
          ...(pm === 'dynamic' ? DYNAMIC : ONDEMAND),
          'pm.max_children': 3,
          'pm.max_spare_servers': 2,
          'pm.status_path': '/status',
        },
      },
      files,
    });
    tsfpm.announce(/server reached/);
    const most = await mostWorkers(tsfpm, ['www'], () => burst(tsfpm, { requests: 12, ms: 200 }));
    assert.equal(most, 3);
    await burst(tsfpm, { requests: 12, ms: 100 });
    await tsfpm.expectLog(/server reached/);
    assert.ok(tsfpm.log.text.includes(`] WARNING: ${text}\n`), tsfpm.log.text);
    assert.equal(count(tsfpm, /server reached/), 1);
    assert.equal((await statusJson(tsfpm))['max children reached'], 1);
  });

test('dynamic: a pool that grows fast says that it seems busy, once', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: DYNAMIC }, files });
  await burst(tsfpm, { requests: 30, ms: 300 });
  await tsfpm.expectLog(
    /WARNING: \[pool www\] seems busy \(you may need to increase pm\.start_servers, or pm\.min\/max_spare_servers\), spawning [0-9]+ children, there are [0-9]+ idle, and [0-9]+ total children$/m,
  );
  assert.equal(count(tsfpm, SEEMS_BUSY), 1);
});

test('static: never counts nor warns', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 2, 'pm.status_path': '/status' } },
    files,
  });
  await statusJson(tsfpm);
  await tsfpm.settle();
  await burst(tsfpm, { requests: 10, ms: 100 });
  assert.equal((await statusJson(tsfpm))['max children reached'], 0);
});

const PROCESS_MAX =
  /WARNING: The maximum number of processes has been reached\. Please review your configuration and consider raising 'process\.max'$/;

test('process.max holds for all pools together, is told once until a fork succeeds, and every pool is served', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { 'process.max': 4 },
    pools: {
      one: { ...ONDEMAND, 'pm.process_idle_timeout': 1 },
      two: { ...ONDEMAND, 'pm.process_idle_timeout': 1 },
    },
    files,
  });
  tsfpm.announce(/The maximum number of processes has been reached/);
  const most = await mostWorkers(tsfpm, ['one', 'two'], async () => {
    await burst(tsfpm, { requests: 12, ms: 150, pool: 'one' });
    assert.equal(count(tsfpm, PROCESS_MAX), 1);
    // All four are the first pool's: the second waits until they have been idle for long enough.
    await burst(tsfpm, { requests: 6, ms: 150, pool: 'two' });
  });
  assert.equal(most, 4);
  assert.ok(count(tsfpm, PROCESS_MAX) <= 1 + 4);
});

test('pm.max_spawn_rate limits the forks of a second, and nobody is lost by it', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...ONDEMAND, 'pm.max_spawn_rate': 4 } },
    files,
  });
  const seen: { readonly atMs: number; readonly workers: Count }[] = [];
  const from = performance.now();
  const timer = setInterval(
    () => seen.push({ workers: tsfpm.workers().length, atMs: performance.now() - from }),
    50,
  );
  await burst(tsfpm, { requests: 12, ms: 2000 }).finally(() => clearInterval(timer));
  for (const { atMs, workers } of seen)
    assert.ok(workers <= 4 + Math.ceil((4 * atMs) / 1000), `${workers} workers after ${atMs} ms`);
  assert.ok(seen.some(({ workers }) => workers > 4));
});

test('pm.max_children below the spare minimum of others: one worker alone serves a pool', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...ONDEMAND, 'pm.max_children': 1, 'pm.process_idle_timeout': 1 } },
    files,
  });
  tsfpm.announce(/server reached max_children/);
  await burst(tsfpm, { requests: 10, ms: 20 });
  await until('nobody is left', () => tsfpm.workers().length === 0, 5000);
  await burst(tsfpm, { requests: 10, ms: 20 });
});
