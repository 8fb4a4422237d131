import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Pid } from '../../src/units.js';
import { prepareFolder, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive } from '../helpers/processes.js';
import { compileExtension } from '../helpers/test-extension.js';
import { sleep, until } from '../helpers/wait.js';

// What a script does to the signals of its process ends with its request: the worker obeys, and the next script finds
// nothing of it.

const ORDERS = 'SIGTERM, SIGQUIT, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD, SIGALRM';

/** What is left behind. */
const LEFT = {
  'a mask, by a fatal error': `pcntl_sigprocmask(SIG_BLOCK, [${ORDERS}]); nowhere();`,
  'a mask, by an uncaught exception': `pcntl_sigprocmask(SIG_SETMASK, [${ORDERS}]); throw new Exception('thrown');`,
  'a mask, by exit': `pcntl_sigprocmask(SIG_BLOCK, [${ORDERS}]); exit;`,
  'signals that are ignored': `foreach ([${ORDERS}] as $signal) pcntl_signal($signal, SIG_IGN);`,
  'signals that are handled': `pcntl_async_signals(true); foreach ([${ORDERS}] as $signal) pcntl_signal($signal, function () {});`,
  'default actions': `foreach ([${ORDERS}] as $signal) pcntl_signal($signal, SIG_DFL);`,
  'what a shutdown function does': `register_shutdown_function(function () { pcntl_sigprocmask(SIG_BLOCK, [${ORDERS}]); });`,
  'what an output callback does': `ob_start(function ($text) { pcntl_sigprocmask(SIG_BLOCK, [${ORDERS}]); return $text; }); echo 'x';`,
  'a pending signal that would kill': `pcntl_sigprocmask(SIG_BLOCK, [SIGALRM, 34]); posix_kill(getmypid(), SIGALRM); posix_kill(getmypid(), 34);`,
  'an alarm': 'pcntl_alarm(1);',
} as const;

/** The signals of this process as the kernel has them, and what PHP makes of a program's end. */
const SIGNALS_PHP = `<?php
  if (!function_exists('pcntl_signal')) die('null');
  preg_match_all('/^(?:SigBlk|SigIgn):\\t(.*)$/m', file_get_contents('/proc/self/status'), $found);
  $p = proc_open(['sh', '-c', 'grep -E "^Sig(Blk|Ign)" /proc/self/status; exit 5'], [1 => ['pipe', 'w']], $pipes);
  $program = stream_get_contents($pipes[1]);
  echo json_encode([...$found[1], $program, proc_close($p), array_map('pcntl_signal_get_handler', [${ORDERS}])]);`;

const files = {
  'pid.php': PID_PHP,
  'signals.php': SIGNALS_PHP,
  ...Object.fromEntries(
    Object.values(LEFT).map((act, index) => [
      `leaves-${index}.php`,
      `<?php ini_set('display_errors', '0'); ${act}`,
    ]),
  ),
};

/** What of them is blocked, ignored and handled. */
function signalsOf(pid: Pid): string[] {
  return readFileSync(`/proc/${pid}/status`, 'utf8').match(/^Sig(?:Blk|Ign|Cgt):.*$/gm) ?? [];
}

for (const [index, name] of Object.keys(LEFT).entries())
  test(`a request that leaves ${name} behind is over when it is over`, async (t) => {
    const tsfpm = await startTsfpm(t, { pools: { www: { pm: 'static', 'pm.max_children': 1 } }, files });
    tsfpm.announce(/nowhere\(\)|thrown/);
    const atStart = signalsOf(tsfpm.workers()[0] ?? 0);
    const pristine = await tsfpm.getJson('signals.php');
    if (pristine === null) {
      t.skip('this php-cgi has no pcntl');
      return;
    }
    for (const keepConn of [false, true]) {
      const [worker = 0] = await tsfpm.untilWorkers(1);
      assert.deepEqual(await tsfpm.getJson('signals.php'), pristine);
      const connection = await FastcgiConnection.open(tsfpm.address());
      t.after(() => connection.close());
      await connection.request({
        params: scriptParams(tsfpm.folder.script(`leaves-${index}.php`)),
        keepConn,
      });
      await until('all is as before', () => isDeepStrictEqual(signalsOf(worker), atStart));
      if (!keepConn) assert.deepEqual(await tsfpm.getJson('signals.php'), pristine);
      if (name === 'an alarm') await sleep(1300);
      for (const signal of ['SIGUSR2', 'SIGHUP'] as const) process.kill(worker, signal);
      process.kill(worker, keepConn ? 'SIGQUIT' : 'SIGTERM');
      await until('the worker has left', () => !isAlive(worker));
      await tsfpm.expectLog(new RegExp(`child ${worker} exited with code 0`));
    }
  });

// PHP looks at each request's start whether its handlers are in place. The runtime answers that from what it has seen: what
// it does not see it must not answer.

/** What of this process's signals is blocked, ignored and handled while a script runs. */
const SIGNALS_NOW_PHP = `<?php preg_match_all('/^Sig(?:Blk|Ign|Cgt):.*$/m', file_get_contents('/proc/self/status'), $found);
  echo json_encode($found[0]);`;

test('what an extension makes of the signals is seen at the next request, as PHP sees it', async (t) => {
  const library = compileExtension('meddling', prepareFolder(t));
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'php_admin_value[extension]': library } },
    files: { 'now.php': SIGNALS_NOW_PHP },
  });
  const first = await tsfpm.getJson('now.php');
  for (let i = 0; i < 12; i++) assert.deepEqual(await tsfpm.getJson('now.php'), first);
});

test('what a script makes of the signals through FFI is seen at the next request, as PHP sees it', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'php_admin_value[ffi.enable]': '1' } },
    files: {
      'now.php': SIGNALS_NOW_PHP,
      'ignore.php': `<?php if (!class_exists('FFI')) die('none');
        $libc = FFI::cdef('void *signal(int number, void *handler);', 'libc.so.6');
        $libc->signal(SIGUSR2, FFI::cast('void *', 1));`,
    },
  });
  const first = await tsfpm.getJson('now.php');
  for (let i = 0; i < 3; i++) assert.deepEqual(await tsfpm.getJson('now.php'), first);
  if ((await tsfpm.get('ignore.php')) === 'none') t.skip('this php-cgi has no FFI');
  else assert.deepEqual(await tsfpm.getJson('now.php'), first);
});
