import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEADER_SIZE, SLOT_SIZE } from '../../src/scoreboard/layout.js';
import {
  LOG_BOARD_SIZE,
  LOG_INDEX_FIELDS,
  LOG_INDEX_SIZE,
  LOG_STAMP,
  logRingsOffset,
} from '../../src/scoreboard/log-rings.js';
import type { Milliseconds } from '../../src/units.js';
import { LOG_RING_SIZE } from '../../src/watch/request-log.js';
import { QUESTION_KINDS } from '../../src/zygote/control-frames.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { cpuTime, HEALTH_SERVER, healthLatency } from '../helpers/master-load.js';
import { killProcess } from '../helpers/processes.js';
import { burst, ONDEMAND, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { sleep, until } from '../helpers/wait.js';

// One pool does what it can to keep the master busy: the others and the HTTP server must not feel it.

/** How long the master may let anybody wait. */
const LATENCY_MS: Milliseconds = 50;
/** A burst of requests of 100 ms each, on a pool that has no worker yet; for a machine whose processors are all taken. */
const BURST_MS: Milliseconds = 1500;
/** Of a processor. It was all of it. */
const MOST_OF_MASTER = 0.6;
/** This machine has other things to do: once must be enough. */
const TRIES = 4;

/** Packets on the worker's channel to its zygote, as native code can send them, with answers read. */
const channelPhp = (kind: number) => `
  if (!extension_loaded('ffi')) die('no FFI');
  $c = FFI::cdef('long send(int fd, const char *bytes, size_t n, int flags); long recv(int fd, char *bytes, size_t n, int flags);');
  $answer = FFI::new('char[65536]');
  $packet = pack('CCvV', ${kind}, 0, 0, 1);
  for ($fd = 3; $c->send($fd, $packet, 8, 0x4000) !== 8; $fd++) if ($fd > 100) die('no channel');
  for (;;) { $c->send($fd, $packet, 8, 0); $c->recv($fd, $answer, 65536, 0x40); }`;

/** The rings of finished requests, of all slots, filled and told to be full as soon as they are read; or their counts of losses. */
const SLOTS = 12;
const BOARD = HEADER_SIZE + SLOTS * SLOT_SIZE;
const ringsPhp = (act: string) => `
  if (!extension_loaded('ffi')) die('no FFI');
  preg_match('~^([0-9a-f]+)-[0-9a-f]+ rw.s .*memfd:tsfpm~m', file_get_contents('/proc/self/maps'), $m) or die('no scoreboard');
  $board = hexdec($m[1]) + ${BOARD};
  $c = FFI::cdef('void *memcpy(size_t to, const char *from, size_t n); void *memmove(char *to, size_t from, size_t n); long send(int fd, const char *bytes, size_t n, int flags);');
  $packet = pack('CCvV', ${QUESTION_KINDS.LOGGED}, 0, 0, 1);
  for ($fd = 3; $c->send($fd, $packet, 8, 0x4000) !== 8; $fd++) if ($fd > 100) die('no channel');
  $word = FFI::new('char[8]');
  $read = function (int $at) use ($c, $word) { $c->memmove($word, $at, 8); return unpack('P', FFI::string($word, 8))[1]; };
  $rings = $board + ${logRingsOffset(SLOTS)};
  for ($round = 1;; $round++) for ($slot = 0; $slot < ${SLOTS}; $slot++) {
    $index = $board + ${LOG_BOARD_SIZE} + $slot * ${LOG_INDEX_SIZE};
    ${act}
  }`;

/** What five workers do until the test is over. */
const FLOODS = {
  'two-byte lines on stderr': `$to = fopen('php://stderr', 'w'); $text = str_repeat("x\\n", 32768); for (;;) fwrite($to, $text);`,
  'long lines on stderr': `$to = fopen('php://stderr', 'w'); $text = str_repeat(str_repeat('x', 900) . "\\n", 64); for (;;) fwrite($to, $text);`,
  'short writes to stdout and stderr by turns': `
    $out = fopen('php://stdout', 'w'); $err = fopen('php://stderr', 'w');
    for (;;) { fwrite($out, "o\\n"); fwrite($err, "e\\n"); }`,
  'messages of PHP': `for (;;) error_log('x');`,
  'output of programs that scripts left behind': `
    $to = fopen('php://stderr', 'w');
    proc_open(['yes', 'x'], [1 => $to, 2 => $to], $pipes);
    sleep(60);`,
  'false news that a request was taken': channelPhp(QUESTION_KINDS.TAKEN),
  'false news that a request is to be logged': channelPhp(QUESTION_KINDS.LOGGED),
  'news of starts': channelPhp(QUESTION_KINDS.STARTED),
  'forged questions for the status page': channelPhp(QUESTION_KINDS.STATUS),
  'forged pings': channelPhp(QUESTION_KINDS.PING),
  'forged records of requests': ringsPhp(`
    $head = $read($index);
    if ($read($index + ${LOG_INDEX_FIELDS.tail}) !== $head) { usleep(100); continue; }
    $ring = '';
    for ($at = 0; $at < ${LOG_RING_SIZE}; $at += 64)
      $ring .= pack('VVVVPPx32', 64, ${LOG_STAMP} ^ (($head + $at) & 0xffffffff), 0, 200, 1700000000000000, 1000);
    $c->memcpy($rings + $slot * ${LOG_RING_SIZE}, $ring, ${LOG_RING_SIZE});
    $c->memcpy($index, pack('P', $head + ${LOG_RING_SIZE}), 8);`),
  'forged losses of records': ringsPhp(`
    $c->memcpy($index + ${LOG_INDEX_FIELDS.lost}, pack('P', $round), 8);
    $c->send($fd, $packet, 8, 0x40);`),
  'calls of fpm_get_status()': `for (;;) fpm_get_status();`,
};

const EVIL: Settings = {
  pm: 'dynamic',
  'pm.max_children': SLOTS,
  'pm.start_servers': 5,
  'pm.min_spare_servers': 1,
  'pm.max_spare_servers': 5,
  'pm.status_path': '/status',
  'ping.path': '/ping',
  'access.log': '{folder}/access.log',
  'php_admin_value[ffi.enable]': 'true',
  decorate_workers_output: undefined,
};

function startPools(t: Parameters<typeof startTsfpm>[0], body: string, settings: Settings = {}) {
  return startTsfpm(t, {
    global: HEALTH_SERVER,
    pools: { evil: { ...EVIL, ...settings }, good: { ...ONDEMAND, 'pm.max_children': 20 } },
    files: {
      'flood.php': `<?php set_time_limit(0); ignore_user_abort(true); ${body}`,
      'sleep.php': SLEEP_PHP,
    },
    // A file takes all that it gets.
    arguments: [],
    logTo: 'file',
  });
}

/** What the evil pool itself suffers is its own affair. */
const flood = (tsfpm: Daemon) =>
  tsfpm.request('flood.php', { pool: 'evil', timeoutMs: 60_000 }).catch(() => undefined);

/** Latency of the HTTP server, processor time of the master, and how fast another pool grows. */
async function assertUndisturbed(tsfpm: Daemon): Promise<void> {
  const seen: string[] = [];
  for (let i = 0; i < TRIES; i++) {
    const [fromMs, fromCpuMs] = [performance.now(), cpuTime(tsfpm.pid)];
    const latencyMs = await healthLatency(tsfpm);
    const share = (cpuTime(tsfpm.pid) - fromCpuMs) / (performance.now() - fromMs);
    const burstMs = await burst(tsfpm, { requests: 10, ms: 100, pool: 'good' });
    if (latencyMs < LATENCY_MS && burstMs < BURST_MS && share < MOST_OF_MASTER) return;
    seen.push(
      `/health after ${latencyMs.toFixed()} ms, burst in ${burstMs.toFixed()} ms, ${(share * 100).toFixed()} % CPU`,
    );
  }
  assert.fail(seen.join('; '));
}

for (const [name, body] of Object.entries(FLOODS))
  test(`a flood of ${name} does not hold up the master, nor its stop`, async (t) => {
    const tsfpm = await startPools(t, body);
    tsfpm.announce(/pool evil/);
    const floods = Array.from({ length: 5 }, () => flood(tsfpm));
    const early = await Promise.race([Promise.all(floods), sleep(300)]);
    const first = early?.[0]?.text;
    if (first === 'no FFI') {
      await tsfpm.stop();
      t.skip('this php-cgi has no FFI');
      return;
    }
    assert.equal(first, undefined, 'the flood goes on');
    await assertUndisturbed(tsfpm);
    const losses = tsfpm.log.text.match(/lines of the access log were lost/g)?.length ?? 0;
    assert.ok(losses <= 2, `${losses} warnings in a few seconds`);
    const fromMs = performance.now();
    await tsfpm.stop();
    const stopMs = performance.now() - fromMs;
    assert.ok(stopMs < 5000, `the stop took ${stopMs.toFixed()} ms`);
    await Promise.all(floods);
  });

test('workers that flood and end all the time do not hold up the master', async (t) => {
  const tsfpm = await startPools(
    t,
    `$to = fopen('php://stderr', 'w'); fwrite($to, str_repeat("x\\n", 30000)); echo 'done';`,
    { 'pm.max_requests': 1, 'pm.max_children': 5 },
  );
  tsfpm.announce(/pool evil/);
  let isOver = false;
  const clients = Array.from({ length: 5 }, async () => {
    while (!isOver) await flood(tsfpm);
  });
  await sleep(300);
  await assertUndisturbed(tsfpm);
  isOver = true;
  await Promise.all(clients);
});

for (const signal of ['SIGKILL', 'SIGTERM'])
  test(`workers that end themselves by ${signal}, again and again, do not hold up the master`, async (t) => {
    const tsfpm = await startPools(t, `posix_kill(getmypid(), ${signal}); usleep(1000);`, {
      pm: 'static',
      'pm.max_children': 8,
    });
    tsfpm.announce(/pool evil/);
    let isOver = false;
    const clients = Array.from({ length: 16 }, async () => {
      while (!isOver) await flood(tsfpm);
    });
    await sleep(300);
    await assertUndisturbed(tsfpm);
    isOver = true;
    await Promise.all(clients);
  });

test('a flooding pool is reloaded, and still forks', async (t) => {
  const tsfpm = await startPools(t, FLOODS['two-byte lines on stderr'], {
    'pm.max_children': 5,
    pm: 'static',
  });
  tsfpm.announce(/pool evil/);
  const floods = Array.from({ length: 4 }, () => flood(tsfpm));
  await sleep(300);
  const [first = 0] = tsfpm.workers('evil');
  killProcess(first);
  await until(
    'it is replaced',
    () => !tsfpm.workers('evil').includes(first) && tsfpm.workers('evil').length === 5,
  );
  const old = tsfpm.workers('evil');
  tsfpm.signal('SIGUSR2');
  await tsfpm.log.expect(/Reloading in progress/);
  await until(
    'the new generation is there',
    () => tsfpm.workers('evil').filter((pid) => !old.includes(pid)).length === 5,
  );
  await tsfpm.stop();
  await Promise.all(floods);
});

test('every line of a busy pool is logged, once and in its order', async (t) => {
  const tsfpm = await startPools(
    t,
    `$to = fopen('php://stderr', 'w'); for ($i = 0; $i < 50000; $i++) fwrite($to, "line $i\\n"); echo 'done';`,
  );
  tsfpm.announce(/pool evil/);
  assert.equal((await tsfpm.request('flood.php', { pool: 'evil', timeoutMs: 60_000 })).text, 'done');
  await tsfpm.log.expect(/line 49999"/);
  const numbers = tsfpm.log.lines.flatMap(
    (line) => /said into stderr: "line ([0-9]+)"$/.exec(line)?.[1] ?? [],
  );
  assert.equal(numbers.length, 50_000);
  assert.ok(numbers.every((number, i) => Number(number) === i));
});

test('a preload script that prints for ever does not hold up the master', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: HEALTH_SERVER,
    pools: {
      good: { ...ONDEMAND, 'pm.max_children': 20 },
      evil: {
        ...ONDEMAND,
        'php_admin_value[opcache.preload]': '{folder}/www/preload.php',
        'php_admin_value[opcache.preload_user]': 'www-data',
        'php_admin_value[opcache.enable]': '1',
      },
    },
    files: {
      'preload.php': `<?php $to = fopen('php://stderr', 'w'); for (;;) fwrite($to, str_repeat("x\\n", 32768));`,
      'flood.php': '',
      'sleep.php': SLEEP_PHP,
    },
    arguments: [],
    logTo: 'file',
  });
  tsfpm.announce(/pool evil/);
  const client = flood(tsfpm);
  await tsfpm.log.expect(/php-cgi: x/);
  await assertUndisturbed(tsfpm);
  await tsfpm.stop();
  await client;
});
