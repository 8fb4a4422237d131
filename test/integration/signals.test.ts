import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { PID_PHP, SLOW_PHP } from '../helpers/probes.js';
import { closedLoop, RELOADED, zygotesOf } from '../helpers/reload.js';
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

/** As `systemctl kill` does. */
function signalAll(tsfpm: Daemon, signal: NodeJS.Signals): void {
  for (const { pid } of tsfpm.family()) send(pid, signal);
  tsfpm.signal(signal);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has just ended
  }
}

for (const signal of HARMLESS)
  test(`${signal} to master, zygotes and workers alike loses no request`, async (t) => {
    const tsfpm = await startTsfpm(t, {
      logTo: 'file',
      pools: { www: { 'pm.max_children': 4, 'access.log': '{folder}/access.log' } },
      files,
    });
    // A php-cgi that has not loaded the runtime yet is ended by it; the master then serves on with what it has.
    tsfpm.announce(/reload (?:refused|given up)|zygote/);
    const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=5', seconds: 3 });
    for (let i = 0; i < 5; i++) {
      await sleep(400);
      signalAll(tsfpm, signal);
    }
    const { ok, failed, failures } = await load;
    assert.equal(failed, 0, JSON.stringify(failures));
    assert.ok(ok > 100, String(ok));
    await tsfpm.get('pid.php');
  });

for (const signal of FATAL)
  test(`${signal} to zygotes and workers, not to the master, loses no request and no zygote`, async (t) => {
    const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 4 } }, files });
    const [zygote = 0] = zygotesOf(tsfpm, 'www');
    const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=5', seconds: 3 });
    for (let i = 0; i < 5; i++) {
      await sleep(400);
      for (const { pid } of tsfpm.family()) send(pid, signal);
    }
    const { failed, failures } = await load;
    assert.equal(failed, 0, JSON.stringify(failures));
    assert.deepEqual(zygotesOf(tsfpm, 'www'), [zygote]);
  });

for (const [signal, timeout] of [
  ['SIGTERM', 10],
  ['SIGQUIT', 0],
] as const)
  test(`a stop by ${signal} to everybody lets a running request finish`, async (t) => {
    const tsfpm = await startTsfpm(t, { global: { process_control_timeout: timeout }, files });
    const answer = tsfpm.get('slow.php', { params: { QUERY_STRING: 'ms=700&name=x' } });
    await until('the script runs', () => existsSync(tsfpm.folder.at('marks/started-x')));
    signalAll(tsfpm, signal);
    assert.match(await answer, /^slept/);
    assert.deepEqual(await tsfpm.ended(), { code: 0, signal: null });
    assert.deepEqual(tsfpm.family(), []);
  });

const PRELOADS = {
  'php_admin_value[opcache.enable]': '1',
  'php_admin_value[opcache.preload]': '{folder}/www/preload.php',
  'php_admin_value[opcache.preload_user]': WORKER_USER,
};

test('programs that are started while PHP loads can be told to end', { skip: unlessRoot }, async (t) => {
  // No shell: some of them begin by unblocking all.
  const preload = `<?php $grep = proc_open(['grep', 'Sig', '/proc/self/status'], [1 => ['pipe', 'w']], $pipes);
    file_put_contents(__DIR__ . '/../marks/signals', stream_get_contents($pipes[1]));`;
  const tsfpm = await startTsfpm(t, {
    pools: { www: PRELOADS },
    files: { ...files, 'preload.php': preload },
  });
  const signals = readFileSync(tsfpm.folder.at('marks/signals'), 'utf8');
  assert.match(signals, /^SigBlk:\t0{16}$/m);
  const ignored = /^SigIgn:\t([0-9a-f]+)$/m.exec(signals)?.[1] ?? '';
  for (const signal of [...HARMLESS, ...FATAL])
    assert.equal((BigInt(`0x${ignored}`) >> BigInt(constants.signals[signal] - 1)) & 1n, 0n, signal);
});

test('signals while a zygote loads PHP change nothing', { skip: unlessRoot }, async (t) => {
  const preload = `<?php touch(__DIR__ . '/../marks/loading'); usleep(400000);`;
  const tsfpm = await startTsfpm(t, {
    pools: { www: PRELOADS },
    files: { ...files, 'preload.php': preload },
  });
  const mark = tsfpm.folder.at('marks/loading');
  await until('it was loaded once', () => existsSync(mark));
  const { mtimeMs } = statSync(mark);
  tsfpm.signal('SIGUSR2');
  await until('it loads again', () => statSync(mark).mtimeMs !== mtimeMs);
  const loading = tsfpm.family().filter(({ title }) => !title.startsWith('tsfpm:'));
  const zygotes = loading.filter(({ parent }) => parent === tsfpm.pid).map(({ pid }) => pid);
  // And the child that opcache has forked from it, which runs the script.
  assert.deepEqual([zygotes.length, loading.length], [1, 2]);
  for (const { pid } of loading) for (const signal of [...HARMLESS, ...FATAL]) process.kill(pid, signal);
  await tsfpm.expectLog(RELOADED);
  await until('it is the only zygote', () => isDeepStrictEqual(zygotesOf(tsfpm, 'www'), zygotes));
  for (let i = 0; i < 10; i++) assert.match(await tsfpm.get('pid.php'), /^[0-9]+$/);
});
