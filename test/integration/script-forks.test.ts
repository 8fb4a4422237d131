import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CONTROL_VERSION } from '../../src/zygote/control-frames.js';
import { startTsfpm } from '../helpers/daemon.js';
import { unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { PID_PHP } from '../helpers/probes.js';
import { descriptorsOf, isAlive } from '../helpers/processes.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { until } from '../helpers/wait.js';

// A script's own child processes: pcntl_fork() gives them a copy of everything that PHP has of the request.

/** What the child does, then it ends by itself; the parent goes on when it has ended. */
const ENDS = {
  exit: 'exit(3);',
  'return from the script': 'return;',
  'a fatal error': 'ini_set("display_errors", "1"); nowhere();',
  'an uncaught exception': 'ini_set("display_errors", "1"); throw new Exception("thrown");',
  SIGKILL: 'posix_kill(getmypid(), SIGKILL);',
  SIGTERM: 'posix_kill(getmypid(), SIGTERM); sleep(20);',
  'output that it leaves in buffers': 'echo str_repeat("child", 10000); ob_start(); echo "child"; exit;',
  'a shutdown function': 'register_shutdown_function(function () { echo "child"; }); exit;',
  'fastcgi_finish_request()': 'fastcgi_finish_request(); exit;',
  'reading what is left of the body': 'file_get_contents("php://input"); exit;',
  'another program': 'pcntl_exec("/bin/true");',
};

const FORK_PHP = `<?php
  if (!function_exists('pcntl_fork')) die('no pcntl');
  header('X-Whole: yes');
  echo 'before '; if (isset($_GET['buffer'])) { ob_start(); echo str_repeat('buffered ', 5000); }`;
const PARENT_PHP = `pcntl_waitpid($pid, $status); echo 'after ', strlen(file_get_contents('php://input'));`;

const files = {
  'pid.php': PID_PHP,
  'can-fork.php': `<?php echo function_exists('pcntl_fork') ? 'yes' : '';`,
  ...Object.fromEntries(
    Object.entries(ENDS).map(([, act], index) => [
      `end-${index}.php`,
      `${FORK_PHP} $pid = pcntl_fork(); if ($pid === 0) { ${act} } ${PARENT_PHP}`,
    ]),
  ),
  // On purpose: echo and flush; one after the other.
  'talks.php': `<?php if (!function_exists('pcntl_fork')) die('no pcntl');
    echo 'one '; flush();
    $pid = pcntl_fork(); if ($pid === 0) { echo 'two '; flush(); echo 'never '; exit; }
    pcntl_waitpid($pid, $status); echo 'three';`,
  // More than PHP's own buffer holds.
  'talks-much.php': `<?php if (!function_exists('pcntl_fork')) die('no pcntl');
    echo 'one '; flush();
    $pid = pcntl_fork();
    if ($pid === 0) {
      for ($i = 0; $i < 3; $i++) { echo str_repeat('x', 30000), 'y'; for ($j = 0; $j < 1000; $j++) echo 'z'; flush(); }
      echo str_repeat('never', 10000); exit;
    }
    pcntl_waitpid($pid, $status); echo 'three';`,
  // Talks when the request is over.
  'late.php': `<?php if (!function_exists('pcntl_fork')) die('no pcntl');
    $pid = pcntl_fork(); if ($pid !== 0) die('answer');
    for ($i = 0; $i < 2000 && !file_exists(__DIR__ . '/../marks/go'); $i++) { usleep(5000); clearstatcache(); }
    echo 'late'; flush(); touch(__DIR__ . '/../marks/gone'); exit;`,
  // Talks when the answer has been ended early.
  'finished.php': `<?php if (!function_exists('pcntl_fork')) die('no pcntl');
    echo 'answer'; fastcgi_finish_request();
    $pid = pcntl_fork(); if ($pid === 0) { echo 'late'; flush(); exit; }
    pcntl_waitpid($pid, $status);`,
  'endless.php': `<?php touch(__DIR__ . '/../marks/begun'); while (true) { echo 'x'; flush(); }`,
  // Stays behind when the request is over.
  'stays.php': `<?php if (!function_exists('pcntl_fork')) die('no pcntl');
    $pid = pcntl_fork(); if ($pid === 0) { sleep(60); exit; } usleep(200000); echo $pid;`,
  'programs.php': `<?php
    echo trim(shell_exec('echo shell')), ' ';
    $p = proc_open(['cat'], [['pipe', 'r'], ['pipe', 'w']], $pipes); fwrite($pipes[0], 'cat'); fclose($pipes[0]);
    echo stream_get_contents($pipes[1]), ' ', proc_close($p);`,
};

const BODY = 'x'.repeat(200_000);

for (const [index, [name, act]] of Object.entries(ENDS).entries())
  for (const keepConn of [false, true])
    test(`a child that ends by ${name} leaves its parent's answer whole${keepConn ? ', and the connection' : ''}`, async (t) => {
      const tsfpm = await startTsfpm(t, {
        pools: { www: { 'pm.max_children': 1, 'php_admin_value[display_errors]': '0' } },
        files,
      });
      tsfpm.announce(/nowhere\(\)|thrown/);
      const connection = await FastcgiConnection.open(tsfpm.address());
      const ask = (script: string, more: Record<string, string> = {}, stdin = '') =>
        connection.request({
          params: scriptParams(tsfpm.folder.script(script), more),
          keepConn,
          stdin: Buffer.from(stdin),
        });
      const first = await ask(
        `end-${index}.php`,
        { REQUEST_METHOD: 'POST', CONTENT_LENGTH: String(BODY.length), QUERY_STRING: 'buffer=1' },
        BODY,
      );
      if (first.body.toString() === 'no pcntl') {
        t.skip('this php-cgi has no pcntl');
        return;
      }
      const whole = `before ${'buffered '.repeat(5000)}after ${BODY.length}`;
      assert.equal(first.body.toString(), whole, act);
      assert.equal(first.headers.get('x-whole'), 'yes');
      assert.deepEqual(first.endRequest, { appStatus: 0, protocolStatus: 0 });
      if (keepConn) assert.match((await ask('pid.php')).body.toString(), /^[0-9]+$/);
      connection.close();
      assert.match(await tsfpm.get('pid.php'), /^[0-9]+$/);
      assert.equal(tsfpm.workers().length, 1, 'the child is no worker');
    });

test('what a child echoes and flushes reaches the client, and nothing else of it', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'php_admin_value[output_buffering]': '0' } },
    files,
  });
  const { text, endRequest } = await tsfpm.request('talks.php');
  if (text === 'no pcntl') {
    t.skip('this php-cgi has no pcntl');
    return;
  }
  assert.equal(text, 'one two three');
  assert.deepEqual(endRequest, { appStatus: 0, protocolStatus: 0 });
});

test('much that a child echoes and flushes is whole', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'php_admin_value[output_buffering]': '0' } },
    files,
  });
  const text = await tsfpm.get('talks-much.php');
  if (text === 'no pcntl') {
    t.skip('this php-cgi has no pcntl');
    return;
  }
  assert.equal(text, `one ${`${'x'.repeat(30_000)}y${'z'.repeat(1000)}`.repeat(3)}three`);
});

/** What comes before the answer would be taken for the start of its first header. */
async function answerOnKept(connection: FastcgiConnection, file: string): Promise<string> {
  const { body, headers } = await connection.request({ params: scriptParams(file), keepConn: true });
  assert.deepEqual(
    [...headers.keys()].filter((name) => name.startsWith('late')),
    [],
  );
  return body.toString();
}

/** One worker that buffers no output, and a connection that it keeps. */
async function startKept(t: TestContext) {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'php_admin_value[output_buffering]': '0' } },
    files,
  });
  const connection = await FastcgiConnection.open(tsfpm.address());
  t.after(() => connection.close());
  const ask = (script: string) => answerOnKept(connection, tsfpm.folder.script(script));
  return { tsfpm, ask };
}

test('what a child flushes when its request is over is in nobody’s answer', async (t) => {
  const { tsfpm, ask } = await startKept(t);
  if ((await ask('late.php')) === 'no pcntl') {
    t.skip('this php-cgi has no pcntl');
    return;
  }
  writeFileSync(tsfpm.folder.at('marks/go'), '');
  await until('the child has flushed', () => existsSync(tsfpm.folder.at('marks/gone')));
  assert.match(await ask('pid.php'), /^[0-9]+$/);
});

test('what a child flushes behind fastcgi_finish_request() is in nobody’s answer', async (t) => {
  const { ask } = await startKept(t);
  const first = await ask('finished.php');
  if (first === 'no pcntl') {
    t.skip('this php-cgi has no pcntl');
    return;
  }
  assert.equal(first, 'answer');
  assert.match(await ask('pid.php'), /^[0-9]+$/);
});

test('a client that goes away in a flush does not let the next request’s child end an answer', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const worker = await tsfpm.get('pid.php');
  const leaves = await FastcgiConnection.open(tsfpm.address());
  leaves.send(requestBytes({ params: scriptParams(tsfpm.folder.script('endless.php')) }));
  await until('it has begun', () => existsSync(tsfpm.folder.at('marks/begun')));
  leaves.close();
  const text = await tsfpm.get(`end-${Object.keys(ENDS).indexOf('exit')}.php`);
  if (text === 'no pcntl') {
    t.skip('this php-cgi has no pcntl');
    return;
  }
  assert.equal(text, 'before after 0');
  assert.equal(await tsfpm.get('pid.php'), worker, 'the same worker');
});

test('a child that stays behind does not keep its client from seeing the end', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  if (!(await tsfpm.get('can-fork.php'))) {
    t.skip('this php-cgi has no pcntl');
    return;
  }
  const connection = await FastcgiConnection.open(tsfpm.address());
  connection.send(requestBytes({ params: scriptParams(tsfpm.folder.script('stays.php')) }));
  await until('the connection has ended', () => connection.isClosed);
  const children = tsfpm.workers();
  assert.equal(children.length, 2, 'the worker and the child');
  for (const pid of children) process.kill(pid, 'SIGTERM');
});

test('a child that stays behind has neither listening socket nor channel, and does not outlive TERM', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const pid = Number(await tsfpm.get('stays.php'));
  if (Number.isNaN(pid)) {
    t.skip('this php-cgi has no pcntl');
    return;
  }
  const [worker = 0] = tsfpm.workers().filter((each) => each !== pid);
  const sockets = (of: number) =>
    [...descriptorsOf(of).values()].filter((name) => name.startsWith('socket:'));
  await until('the worker has a listening socket and a channel', () => sockets(worker).length === 2);
  // The client's connection alone, which the worker has closed.
  await until('the child has no socket of the worker', () => {
    const own = sockets(pid);
    return own.length <= 1 && !sockets(worker).includes(own[0] ?? '');
  });
  await tsfpm.get('pid.php');
  process.kill(pid, 'SIGTERM');
  await until('it has ended', () => !isAlive(pid));
});

test('programs that scripts start work as ever', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  assert.equal(await tsfpm.get('programs.php'), 'shell cat 0');
});

/**
 * opcache forks a child for preloading, which becomes the tenant and runs this. Everything that it could be given by
 * mistake is tried: the zygote's channel, the scoreboard as a file and as memory, the listening socket.
 */
const PRELOAD_ATTACK_PHP = `<?php
  $found = [];
  foreach (glob('/proc/self/fd/*') as $path) {
    $target = @readlink($path); // 1 and 2 are for what PHP prints
    if (basename($path) > 2 && is_string($target) && preg_match('~socket:|memfd:tsfpm|tsfpm-runtime~', $target)) $found[] = basename($path) . '=' . $target;
  }
  foreach (file('/proc/self/maps') as $line)
    if (strpos($line, 'memfd:tsfpm') !== false && preg_match('~ rw.s ~', $line)) {
      [$from, $to] = array_map('hexdec', explode('-', strtok($line, ' ')));
      $found[] = 'scoreboard';
      $mem = fopen('/proc/self/mem', 'r+b'); fseek($mem, $from); fwrite($mem, str_repeat("\\xff", 4096));
    }
  if (extension_loaded('ffi')) {
    $c = FFI::cdef('long write(int fd, const char *bytes, size_t n); int shutdown(int fd, int how);');
    $frame = fn (int $type, int $slot, int $pid, string $payload = '') => pack('VvvVV', strlen($payload), $type, VERSION, $slot, $pid) . $payload;
    $bytes = $frame(1, -1, 0, "\\1" . "8.2.0\\0\\0") . $frame(2, 0, VICTIM) . $frame(8, 0, VICTIM);
    for ($fd = 3; $fd < 300; $fd++) { $c->write($fd, $bytes, strlen($bytes)); $c->shutdown($fd, 2); }
    $c->shutdown(0, 2);
  }
  file_put_contents('REPORT', json_encode($found));`;

test('a preload script has nothing of ours: no channel, no scoreboard, no socket', {
  skip: unlessRoot,
}, async (t) => {
  const victim = spawn('sleep', ['120']);
  t.after(() => victim.kill('SIGKILL'));
  const report = join(mkdtempSync(join(tmpdir(), 'tsfpm-preload-')), 'report');
  t.after(() => rmSync(dirname(report), { recursive: true }));
  chmodSync(dirname(report), 0o777);
  const attack = PRELOAD_ATTACK_PHP.replaceAll('VERSION', String(CONTROL_VERSION))
    .replaceAll('VICTIM', String(victim.pid))
    .replaceAll('REPORT', report);
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 2,
        request_terminate_timeout: '1s',
        'php_admin_value[opcache.enable]': '1',
        'php_admin_value[opcache.preload]': '{folder}/www/preload.php',
        'php_admin_value[opcache.preload_user]': WORKER_USER,
      },
    },
    files: { 'pid.php': PID_PHP, 'preload.php': attack },
  });
  assert.equal(readFileSync(report, 'utf8'), '[]');
  for (let i = 0; i < 4; i++) await tsfpm.get('pid.php');
  assert.ok(isAlive(victim.pid ?? 0), 'nobody else is killed');
  assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
});
