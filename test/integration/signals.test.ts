import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { PID_PHP, SLOW_PHP } from '../helpers/probes.js';
import { RELOADED } from '../helpers/reload.js';
import { ONDEMAND, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { sleep, until } from '../helpers/wait.js';
import { randomFrom } from '../soak/random.js';

const files = { 'pid.php': PID_PHP, 'slow.php': SLOW_PHP, 'sleep.php': SLEEP_PHP };
const HARMLESS = ['SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const;
const FATAL = ['SIGQUIT', 'SIGTERM', 'SIGINT'] as const;

/** A failure tells the seed: put it here to see it again. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

for (const seed of SEEDS)
  test(`random signals at random moments, seed ${seed}: the daemon serves until it is to end, then ends in order`, async (t) => {
    const random = randomFrom(seed);
    const tsfpm = await startTsfpm(t, {
      arguments: [],
      logTo: 'file',
      global: seed % 2 === 0 ? { process_control_timeout: 2 } : {},
      pools: { www: {}, shop: ONDEMAND },
      files,
    });
    tsfpm.announce(/ERROR: reload given up: the master is stopping/, /of the old generation still busy/);
    let isOver = false;
    let served = 0;
    const clients = ['www', 'shop'].map(async (pool) => {
      while (!isOver) {
        await tsfpm.get('sleep.php', { pool, params: { QUERY_STRING: `ms=${random.below(20)}` } });
        served++;
      }
    });
    // Not one of them may cost a request.
    for (let i = 0; i < 12; i++) {
      tsfpm.signal(random.pick(HARMLESS) ?? 'SIGUSR1');
      if (random.below(3) > 0) await sleep(random.below(120));
    }
    isOver = true;
    await Promise.all(clients);
    assert.ok(served > 10);
    const busy = tsfpm
      .request('slow.php', { params: { QUERY_STRING: 'ms=700&name=x' } })
      .then(() => 'answered')
      .catch(() => 'cut off');
    await sleep(random.below(60));
    const sent: NodeJS.Signals[] = [];
    while (!tsfpm.hasEnded && sent.length < 12) {
      const signal = random.pick([...HARMLESS, ...FATAL]) ?? 'SIGTERM';
      sent.push(signal);
      tsfpm.signal(signal);
      await sleep(random.below(80));
    }
    if (!sent.some((signal) => FATAL.includes(signal as (typeof FATAL)[number]))) tsfpm.signal('SIGQUIT');
    const from = performance.now();
    assert.deepEqual(await tsfpm.ended(), { code: 0, signal: null }, sent.join(' '));
    assert.ok(performance.now() - from < 8000);
    await busy;
    await until('nothing is left', () => tsfpm.family().length === 0);
    assert.match(tsfpm.log.text, /exiting, bye-bye!\n$/, sent.join(' '));
  });

test('signals during the start are obeyed once there is something to obey them', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  for (const [round, signals] of (
    [['SIGUSR1', 'SIGHUP'], ['SIGUSR2', 'SIGQUIT'], ['SIGHUP', 'SIGTERM', 'SIGUSR2'], ['SIGINT']] as const
  ).entries()) {
    await tsfpm.stop();
    const started = tsfpm.start().catch((error: Error) => error);
    await until('the start has come as far as a zygote', () => tsfpm.family().length > 0);
    for (const signal of signals) tsfpm.signal(signal);
    if (round === 0) {
      await started;
      await tsfpm.expectLog(RELOADED);
      continue;
    }
    await started;
    assert.deepEqual(await tsfpm.ended(), { code: 0, signal: null }, signals.join(' '));
    assert.deepEqual(tsfpm.family(), [], signals.join(' '));
  }
  await tsfpm.start();
});
