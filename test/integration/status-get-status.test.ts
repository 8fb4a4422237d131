import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { PHP_CGI } from '../helpers/php-programs.js';
import { SLEEP_PHP, sleepRequest } from '../helpers/scaling-pools.js';
import { until } from '../helpers/wait.js';

const files = {
  'sleep.php': SLEEP_PHP,
  'get.php': '<?php echo json_encode(fpm_get_status(), JSON_INVALID_UTF8_SUBSTITUTE);',
  'many.php':
    '<?php for ($i = 0; $i < 300; $i++) $last = fpm_get_status(); echo $last["accepted-conn"], " ", memory_get_usage();',
  'late.php': `<?php
    register_shutdown_function(function () { echo json_encode(['shutdown' => is_array(fpm_get_status())]); });
    class Late { function __destruct() { file_put_contents(__DIR__ . '/../marks/late', gettype(fpm_get_status())); } }
    $GLOBALS['late'] = new Late;`,
  'child.php': `<?php
    $php = 'echo function_exists("fpm_get_status") ? gettype(fpm_get_status()) : "none";';
    echo json_encode([shell_exec('${PHP_CGI} -n -q -r ' . escapeshellarg($php) . ' 2>&1'), gettype(fpm_get_status())]);`,
};

interface GetStatus {
  readonly [key: string]: unknown;
  readonly procs: readonly {
    readonly [key: string]: unknown;
    readonly pid: number;
    readonly state: string;
  }[];
}

test('fpm_get_status() shows the pool as it is: who runs, who is idle, and its own request', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 3 } }, files });
  const busy = sleepRequest(tsfpm, 1000);
  const status = await until('one sleeps', async () => {
    const now = await tsfpm.getJson<GetStatus>('get.php', { params: { QUERY_STRING: 'full&x="1"' } });
    return now['active-processes'] === 2 && now;
  });
  await busy;
  assert.deepEqual(
    [status.pool, status['process-manager'], status['idle-processes'], status['total-processes']],
    ['www', 'static', 1, 3],
  );
  assert.deepEqual(status.procs.map(({ state }) => state).sort(), ['Idle', 'Running', 'Running']);
  const own = status.procs.find((proc) => proc['request-uri'] === '/get.php');
  assert.equal(own?.['query-string'], 'full&x="1"');
  assert.deepEqual(status.procs.map(({ pid }) => pid).sort(), tsfpm.workers().sort());
  assert.equal(typeof own?.['last-request-cpu'], 'number');
  await tsfpm.get('get.php');
  await tsfpm.settle();
});

test('it may be called hundreds of times in a request, by many workers at once', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 4 } }, files });
  await tsfpm.get('get.php');
  await tsfpm.settle();
  const texts = await Promise.all(Array.from({ length: 12 }, () => tsfpm.get('many.php')));
  const memory = texts.map((text) => Number(text.split(' ')[1]));
  assert.ok(Math.max(...memory) < 4 << 20, memory.join());
  assert.deepEqual(
    texts.map((text) => Number(text.split(' ')[0]) >= 1),
    texts.map(() => true),
  );
});

test('it answers while PHP shuts the request down', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  assert.equal(await tsfpm.get('late.php'), '{"shutdown":true}');
  await tsfpm.settle();
  await tsfpm.get('get.php');
});

test('a worker whose master does not answer gets false, in bounded time', async (t) => {
  const tsfpm = await startTsfpm(t, {
    files: {
      ...files,
      'timed.php':
        '<?php $t = microtime(true); $s = fpm_get_status(); echo json_encode([$s === false, microtime(true) - $t]);',
    },
    isUnchecked: true,
  });
  process.kill(tsfpm.pid, 'SIGSTOP');
  try {
    const [isFalse, seconds] = await tsfpm.getJson<[boolean, number]>('timed.php');
    assert.ok(isFalse && seconds < 6, `${isFalse} after ${seconds} s`);
  } finally {
    process.kill(tsfpm.pid, 'SIGCONT');
  }
  await until('it answers again', async () => !(await tsfpm.getJson<[boolean, number]>('timed.php'))[0]);
  assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
});

test('programs that a script starts have no such function', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'env[PATH]': '/usr/bin:/bin' } }, files });
  const [child, own] = await tsfpm.getJson<[string, string]>('child.php');
  await tsfpm.settle();
  assert.equal(own, 'array');
  assert.ok(!/array|boolean/.test(child ?? ''), child);
});
