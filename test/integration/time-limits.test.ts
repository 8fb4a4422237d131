import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FCGI_HEADER_LEN, FCGI_RESPONDER } from '../../src/fastcgi/constants.js';
import { encodeBeginRequest } from '../../src/fastcgi/encode.js';
import { type Daemon, prepareFolder, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { compileExtension } from '../helpers/test-extension.js';
import { until } from '../helpers/wait.js';

// PHP's own limits of processor time. The runtime keeps them with one timer for many requests; each has to end when PHP
// says, whatever the script or its children do to timers and signals. The extension tells when a limit is over.

/** How exact a limit is, in milliseconds. */
const EXACT_MS = 20;
/** The kernel's own timer looks once in 4 ms who has the core: where several want it, this part of a limit may be wrong. */
const KERNELS_PART = 0.4;

const BURN = 'for (;;) {}';
const used = (ms: number) =>
  `$f = fn() => ($r = getrusage())['ru_utime.tv_sec'] * 1e3 + $r['ru_utime.tv_usec'] / 1e3 + $r['ru_stime.tv_sec'] * 1e3 + $r['ru_stime.tv_usec'] / 1e3;
   for ($from = $f(); $f() < $from + ${ms};) {}`;

interface Script {
  readonly php: string;
  /** Milliseconds before its limit of one second begins. */
  readonly afterMs?: number;
  /** Who keeps that limit. */
  readonly timer?: 'kernel';
}

const SCRIPTS: Readonly<Record<string, Script>> = {
  'whose child has ended': { php: `if (pcntl_fork() === 0) exit; pcntl_wait($status); ${BURN}` },
  'that sets its limit itself': {
    php: `set_time_limit(100); ${used(300)} set_time_limit(1); ${BURN}`,
    afterMs: 300,
  },
  'whose child has a limit of its own': {
    php: `if (pcntl_fork() === 0) { set_time_limit(1); ${BURN} } pcntl_wait($status);`,
    timer: 'kernel',
  },
  'that has an alarm, and blocks and handles the signal of the watch': {
    php: `pcntl_async_signals(true); pcntl_signal(SIGALRM, fn() => error_log('alarm')); pcntl_alarm(1);
      pcntl_sigprocmask(SIG_BLOCK, [61]); pcntl_signal(61, fn() => error_log('the watch')); ${used(100)}
      pcntl_sigprocmask(SIG_UNBLOCK, [61]); ${BURN}`,
    timer: 'kernel',
  },
};

const files = {
  'hello.php': '<?php echo "hello";',
  'third.php': `<?php ${used(300)} echo "done";`,
  'none.php': `<?php set_time_limit(0); ${used(1100)} echo 'done';`,
  'exec.php': `<?php pcntl_exec('/bin/sh', ['-c', 'while :; do :; done']);`,
  'input.php': `<?php file_get_contents('php://input'); ${BURN}`,
  'burns.php': `<?php ${BURN}`,
  'function.php': `<?php $a = str_repeat('ab', 40000); similar_text($a, strrev($a));`,
  'ffi.php': `<?php echo class_exists('FFI') ? 'FFI' : '';`,
  'timer.php': `<?php
    $libc = FFI::cdef('struct t { long a, b, c, d; }; int setitimer(int which, struct t *wanted, struct t *old);', 'libc.so.6');
    $t = $libc->new('struct t'); $t->d = 200000; $libc->setitimer(2, FFI::addr($t), NULL); ${BURN}`,
  ...Object.fromEntries(
    Object.values(SCRIPTS).map(({ php }, index) => [`burns-${index}.php`, `<?php ${php}`]),
  ),
};

async function start(t: TestContext, settings: Settings = {}): Promise<Daemon> {
  const library = compileExtension('timing', prepareFolder(t));
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 1,
        catch_workers_output: 'yes',
        'php_admin_value[extension]': library,
        'php_value[max_execution_time]': '1',
        'php_value[display_errors]': 'off',
        ...settings,
      },
    },
    files,
  });
  tsfpm.announce(/timing: |Maximum execution time|alarm/);
  return tsfpm;
}

/** When the limits of a request were over, in milliseconds. */
function limitsOf(tsfpm: Daemon, name: string, query = ''): Promise<number[]> {
  const request = { params: { QUERY_STRING: query }, timeoutMs: 60_000 };
  return limitsAfter(tsfpm, () => tsfpm.request(name, request).catch(() => {})); // its worker may end
}

async function limitsAfter(tsfpm: Daemon, ask: () => Promise<unknown>): Promise<number[]> {
  const from = tsfpm.log.text.length;
  await ask();
  const found = () =>
    [...tsfpm.log.text.slice(from).matchAll(/timing: limit of \d+ s after (\d+) us/g)].map(
      ([, us]) => Number(us) / 1000,
    );
  await until('the extension has told of it', () => found().length > 0);
  return found();
}

function assertMs(ms: number | undefined, wanted: number, timer?: 'kernel'): void {
  const exactMs = timer === 'kernel' ? wanted * KERNELS_PART : EXACT_MS;
  const isRight = ms !== undefined && Math.abs(ms - wanted) <= exactMs;
  assert.ok(isRight, `${ms} ms instead of ${wanted}`);
}

test('a limit of time ends a script when it is over, whatever the script does to timers and signals', async (t) => {
  const tsfpm = await start(t);
  for (const [index, [name, { afterMs = 0, timer }]] of Object.entries(SCRIPTS).entries())
    await t.test(`a script ${name}`, async () => {
      for (let i = 0; i < 3; i++) assert.equal(await tsfpm.get('hello.php'), 'hello');
      const [ms] = await limitsOf(tsfpm, `burns-${index}.php`);
      assertMs(ms, 1000 + afterMs, timer);
    });
  assert.doesNotMatch(tsfpm.log.text, /the watch/);
  assert.match(tsfpm.log.text, /alarm/);
});

test('many requests that use more than the limit together are not ended', async (t) => {
  const tsfpm = await start(t);
  for (let i = 0; i < 4; i++) assert.equal(await tsfpm.get('third.php'), 'done');
  assert.equal(await tsfpm.get('none.php'), 'done');
  const [ms] = await limitsOf(tsfpm, 'burns.php');
  assertMs(ms, 1000);
});

test('a program that takes a script’s place has its limit', async (t) => {
  const tsfpm = await start(t);
  await tsfpm.get('hello.php');
  await tsfpm.request('exec.php', { timeoutMs: 60_000 }).catch(() => {});
  await tsfpm.expectLog(/exited on signal 27 \(SIGPROF\)/);
});

test('a client that begins another request in the body of one does not end its limit', async (t) => {
  const tsfpm = await start(t);
  await tsfpm.get('hello.php');
  const body = { REQUEST_METHOD: 'PUT', CONTENT_TYPE: 'application/octet-stream', CONTENT_LENGTH: '100' };
  const [ms] = await limitsAfter(tsfpm, async () => {
    const connection = await FastcgiConnection.open(tsfpm.address());
    t.after(() => connection.close());
    const params = scriptParams(tsfpm.folder.script('input.php'), body);
    const whole = requestBytes({ params, body: Buffer.from('some of it') });
    const begin = encodeBeginRequest(1, { role: FCGI_RESPONDER, flags: 0 });
    connection.send(Buffer.concat([whole.subarray(0, whole.length - FCGI_HEADER_LEN), begin]));
    await connection.closed;
  });
  assertMs(ms, 1000);
});

test('max_input_time counts until the script begins', async (t) => {
  const tsfpm = await start(t, { 'php_value[max_input_time]': '1', 'php_value[max_execution_time]': '2' });
  for (let i = 0; i < 3; i++) await tsfpm.get('hello.php');
  const [input] = await limitsOf(tsfpm, 'hello.php', 'burn');
  assertMs(input, 1000);
});

test('hard_timeout ends a worker whose script does not stop at its limit', async (t) => {
  const tsfpm = await start(t, { 'php_admin_value[hard_timeout]': '1' });
  for (let i = 0; i < 3; i++) await tsfpm.get('hello.php');
  const [ms] = await limitsOf(tsfpm, 'function.php', 'alive');
  assertMs(ms, 1000);
  await tsfpm.expectLog(/exited with code 124/);
  assert.match(tsfpm.log.text, /alive after 19[89]\d ms/);
  assert.doesNotMatch(tsfpm.log.text, /alive after 20\d\d ms/);
});

test('a timer that a script sets through FFI is the kernel’s, as is the limit then', async (t) => {
  const tsfpm = await start(t, { 'php_admin_value[ffi.enable]': '1' });
  if ((await tsfpm.get('ffi.php')) !== 'FFI') {
    t.skip('this php-cgi has no FFI');
    return;
  }
  const [ms] = await limitsOf(tsfpm, 'timer.php');
  assertMs(ms, 200, 'kernel');
  const [whole] = await limitsOf(tsfpm, 'burns.php');
  assertMs(whole, 1000, 'kernel');
});
