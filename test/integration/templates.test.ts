import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Pid } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { PHP_CGI, phpVersion } from '../helpers/php-programs.js';
import { PID_PHP } from '../helpers/probes.js';
import { descriptorsOf, isAlive, killProcess, processInfo } from '../helpers/processes.js';
import { reload } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';

const OPCACHE_PHP = `<?php
$act = $_GET['act'] ?? '';
if ($act === 'reset') opcache_reset();
$status = opcache_get_status(true);
echo json_encode([
  'hits' => $status['opcache_statistics']['hits'],
  'scripts' => array_map('basename', array_keys($status['scripts'] ?? [])),
  'pending' => $status['restart_pending'],
]);`;

interface Opcache {
  readonly hits: number;
  readonly scripts: readonly string[];
  readonly pending: boolean;
}

const FILES = { 'opcache.php': OPCACHE_PHP, 'pid.php': PID_PHP };
const HAS_JIT = Number(phpVersion()) >= 8;
const ALIKE = { 'pm.max_children': 2 };

function startPools(
  t: Parameters<typeof startTsfpm>[0],
  names: readonly string[],
  settings: Readonly<Record<string, string | number | undefined>> = {},
): Promise<Daemon> {
  return startTsfpm(t, {
    files: FILES,
    pools: Object.fromEntries(names.map((name) => [name, { ...ALIKE, ...settings }])),
  });
}

function templates(tsfpm: Daemon): Pid[] {
  return tsfpm.family().flatMap(({ pid, title }) => (title === 'tsfpm: template' ? [pid] : []));
}

function zygoteOf(tsfpm: Daemon, pool: string): Pid {
  const pid = tsfpm.zygote(pool);
  assert.ok(pid !== undefined, `pool ${pool} has a zygote`);
  return pid;
}

/** What backs memory that a process shares with others and may write to: device and inode of each mapping. */
function sharedMemory(pid: Pid): string[] {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .filter((line) => /^\S+ \S\S\Ss /.test(line) && !line.includes(' r--s '))
    .map((line) => line.split(/ +/).slice(3, 5).join(' '));
}

function isShared(kind: string): boolean {
  return kind !== '/dev/null' && !/^anon_inode:/.test(kind) && !/^pipe:|^socket:/.test(kind);
}

test('pools that start alike are forked from one template, and their zygotes are the master’s children', async (t) => {
  const tsfpm = await startPools(t, ['one', 'two', 'three']);
  assert.equal(templates(tsfpm).length, 1);
  for (const pool of ['one', 'two', 'three'])
    assert.equal(processInfo(zygoteOf(tsfpm, pool))?.parent, tsfpm.pid);
  // The first is alone when it starts, and has a php-cgi of its own.
  const forked = ['two', 'three'].map((pool) =>
    readFileSync(`/proc/${zygoteOf(tsfpm, pool)}/stat`, 'latin1'),
  );
  for (const stat of forked) assert.notEqual(stat.split(') ')[1]?.split(' ')[3], String(tsfpm.pid));
});

test('a pool that is alone has no template', async (t) => {
  const tsfpm = await startPools(t, ['one']);
  assert.deepEqual(templates(tsfpm), []);
});

test('pools of one template have nothing in common that one of them can write', async (t) => {
  const tsfpm = await startPools(t, ['one', 'two', 'three']);
  const [template] = templates(tsfpm);
  assert.ok(template !== undefined);
  const processes = ['one', 'two', 'three'].map((pool) => [zygoteOf(tsfpm, pool), ...tsfpm.workers(pool)]);
  const families: Pid[][] = [[template], ...processes];
  for (const family of families) {
    const others = families.filter((other) => other !== family).flat();
    assert.deepEqual(inCommon(family, others, sharedMemory), []);
    assert.deepEqual(inCommon(family, others, lockFiles), []);
    assert.ok(family.flatMap(sharedMemory).length > 0);
  }
});

function inCommon(some: readonly Pid[], others: readonly Pid[], of: (pid: Pid) => string[]): string[] {
  const seen = new Set(others.flatMap(of));
  return some.flatMap(of).filter((one) => seen.has(one));
}

/** Inodes of what a process keeps open that is neither a device nor a socket. */
function lockFiles(pid: Pid): string[] {
  return [...descriptorsOf(pid)]
    .filter(([, kind]) => isShared(kind))
    .map(([fd]) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1').match(/^ino:\s*(\S+)/m)?.[1] ?? '?')
    .filter((inode) => inode !== '?');
}

test('a reset of one pool’s opcache is not seen by another of its template', async (t) => {
  const tsfpm = await startPools(t, ['one', 'two', 'three']);
  for (const pool of ['two', 'three']) for (let i = 0; i < 8; i++) await tsfpm.get('pid.php', { pool });
  const before = await tsfpm.getJson<Opcache>('opcache.php', { pool: 'three' });
  assert.ok(before.scripts.includes('pid.php'));
  await tsfpm.get('opcache.php', { pool: 'two', params: { QUERY_STRING: 'act=reset' } });
  await until('the reset is done', async () => {
    const { scripts } = await tsfpm.getJson<Opcache>('opcache.php', { pool: 'two' });
    return !scripts.includes('pid.php');
  });
  const after = await tsfpm.getJson<Opcache>('opcache.php', { pool: 'three' });
  assert.ok(after.scripts.includes('pid.php'));
  assert.ok(after.hits >= before.hits);
});

test('what scripts see of settings is the same, forked or not', async (t) => {
  const values = {
    'php_admin_value[memory_limit]': '77M',
    'php_value[session.save_path]': '/tmp/there',
    'php_value[error_log]': '/tmp/some.log',
    'php_admin_flag[display_errors]': 'on',
    'php_admin_value[disable_functions]': 'exec,passthru',
    'php_value[date.timezone]': 'Europe/Vienna',
    'php_admin_value[open_basedir]': '/',
  };
  const script = `<?php
    ini_set('memory_limit', '1G'); ini_set('date.timezone', 'UTC'); ini_restore('date.timezone');
    echo json_encode([ini_get_all(), function_exists('exec'), function_exists('passthru'), date_default_timezone_get()]);`;
  const tsfpm = await startTsfpm(t, {
    files: { 'all.php': script },
    pools: { own: { ...ALIKE, ...values }, forked: { ...ALIKE, ...values } },
  });
  const [own, forked] = [
    await tsfpm.getJson<unknown[]>('all.php', { pool: 'own' }),
    await tsfpm.getJson<unknown[]>('all.php', { pool: 'forked' }),
  ];
  assert.deepEqual(forked, own);
  assert.deepEqual(own.slice(1), [false, false, 'Europe/Vienna']);
});

test('a template that dies is replaced by the next that needs one; pools do not notice', async (t) => {
  const tsfpm = await startPools(t, ['one', 'two', 'three']);
  const [template] = templates(tsfpm);
  assert.ok(template !== undefined);
  killProcess(template);
  await until('it is gone', () => !isAlive(template));
  const pid = await tsfpm.get('pid.php', { pool: 'two' });
  assert.ok(tsfpm.workers('two').includes(Number(pid)));
  await tsfpm.expectLog(
    /template \d+ of php-cgi '.*' ended: it exited on signal 9 .*; the next zygote starts another/,
  );
  tsfpm.announce(/zygote \d+ exited on signal 9/);
  const before = zygoteOf(tsfpm, 'three');
  killProcess(before);
  await until('the pool has another zygote', () => {
    const now = tsfpm.zygote('three');
    return now !== undefined && now !== before;
  });
  await tsfpm.untilWorkers(2, 'three');
  assert.equal(templates(tsfpm).length, 1);
  assert.match(await tsfpm.get('pid.php', { pool: 'three' }), /^\d+$/);
});

test('a reload takes what php.ini says now, for forked pools too', async (t) => {
  const tsfpm = await startTsfpm(t, {
    files: { 'limit.php': '<?php echo ini_get("memory_limit");', 'php.ini': 'memory_limit = 55M\n' },
    pools: { one: { php_ini: '{folder}/www/php.ini' }, two: { php_ini: '{folder}/www/php.ini' } },
  });
  for (const pool of ['one', 'two']) assert.equal((await tsfpm.get('limit.php', { pool })).trim(), '55M');
  writeFileSync(tsfpm.folder.script('php.ini'), 'memory_limit = 66M\n');
  tsfpm.signal('SIGUSR2');
  await until('both have it', async () => {
    const limits = await Promise.all(['one', 'two'].map((pool) => tsfpm.get('limit.php', { pool })));
    return limits.every((limit) => limit.trim() === '66M');
  });
});

test('reload_unchanged = no keeps the template of pools that keep their zygotes', async (t) => {
  const others = { php_ini: '{folder}/www/php.ini' };
  const tsfpm = await startTsfpm(t, {
    global: { reload_unchanged: 'no' },
    files: { ...FILES, 'php.ini': 'memory_limit = 55M\n' },
    pools: { one: ALIKE, two: ALIKE, three: others, four: others },
  });
  const before = templates(tsfpm);
  assert.equal(before.length, 2);
  const zygotes = () => ['one', 'two'].map((pool) => zygoteOf(tsfpm, pool));
  const kept = zygotes();
  writeFileSync(tsfpm.folder.script('php.ini'), 'memory_limit = 66M\n');
  tsfpm.signal('SIGUSR2');
  await until('one template is new', () => {
    const now = templates(tsfpm);
    return now.length === 2 && now.filter((pid) => before.includes(pid)).length === 1;
  });
  assert.deepEqual(zygotes(), kept);
});

test('a pool that waits for a template while a reload comes has no php-cgi of its own for that', async (t) => {
  const alike = { ...ALIKE, pm: 'ondemand', php_cgi: '{folder}/www/php' };
  const tsfpm = await startTsfpm(t, {
    files: {
      ...FILES,
      php: `#!/bin/sh
echo "\${TSFPM_TEMPLATE-own}" >> "$(dirname "$0")/starts"
[ -z "\${TSFPM_TEMPLATE-own}" ] && sleep 1
exec ${PHP_CGI} "$@"
`,
    },
    pools: { one: alike, two: alike },
  });
  const starts = () => readFileSync(tsfpm.folder.script('starts'), 'utf8').split('\n').slice(0, -1);
  await tsfpm.get('pid.php', { pool: 'one' });
  const answer = tsfpm.get('pid.php', { pool: 'two' });
  await until('a template starts', () => starts().length === 2);
  await reload(tsfpm);
  assert.match(await answer, /^\d+$/);
  assert.deepEqual(starts(), ['own', '', '']);
});

test('what PHP warns of while a template starts is logged', async (t) => {
  const tsfpm = await startPools(t, ['one', 'two'], { 'php_admin_value[extension]': 'no_such_extension' });
  tsfpm.announce(/WARNING: (?:\[pool one\]|template of) php-cgi: .*no_such_extension/);
  await tsfpm.expectLog(/WARNING: template of php-cgi: .*no_such_extension/);
  assert.equal(templates(tsfpm).length, 1);
});

test('a php-cgi that cannot be forked from is told of once, and its pools are served', async (t) => {
  const tsfpm = await startPools(t, ['one', 'two', 'three'], {
    'php_admin_value[opcache.preferred_memory_model]': 'shm',
  });
  await tsfpm.expectLog(
    /is started for each pool by itself, not once for all that are alike: it shares memory.*SYSV/,
  );
  for (const pool of ['one', 'two', 'three']) assert.match(await tsfpm.get('pid.php', { pool }), /^\d+$/);
  assert.deepEqual(templates(tsfpm), []);
});

test('pools with the JIT are forked, and each has its own code', {
  skip: HAS_JIT ? false : 'this PHP has no JIT',
}, async (t) => {
  const alike = {
    ...ALIKE,
    'php_admin_value[opcache.jit]': 'function',
    'php_admin_value[opcache.jit_buffer_size]': '16M',
    // Each worker's own rights to opcache's memory change at each request.
    'php_admin_value[opcache.protect_memory]': '1',
    'php_admin_value[opcache.file_update_protection]': '0',
  };
  const tsfpm = await startTsfpm(t, {
    files: {
      ...FILES,
      'jit.php': '<?php echo json_encode(opcache_get_status(false)["jit"]);',
      'sum.php': '<?php function sum($n) { for ($s = 0; $n > 0; $n--) $s += $n; return $s; } echo sum(1000);',
    },
    pools: { one: alike, two: alike },
  });
  const jit = async (pool: string) => JSON.parse(await tsfpm.get('jit.php', { pool }));
  assert.equal(templates(tsfpm).length, 1);
  const theirs = sharedMemory(zygoteOf(tsfpm, 'two'));
  assert.deepEqual(
    sharedMemory(zygoteOf(tsfpm, 'one')).filter((memory) => theirs.includes(memory)),
    [],
  );
  const [one, two] = [await jit('one'), await jit('two')];
  assert.ok(one.on && two.on);
  assert.equal(one.buffer_free, two.buffer_free);
  assert.equal(await tsfpm.get('sum.php', { pool: 'one' }), '500500');
  assert.equal(await tsfpm.get('sum.php', { pool: 'one' }), '500500');
  assert.ok((await jit('one')).buffer_free < one.buffer_free);
  assert.equal((await jit('two')).buffer_free, two.buffer_free);
  assert.equal(await tsfpm.get('sum.php', { pool: 'two' }), '500500');
});

test('a script that is preloaded runs in no template', async (t) => {
  const tsfpm = await startTsfpm(t, {
    files: {
      'pre.php': '<?php function preloaded() { return "yes"; }',
      'is.php': '<?php echo preloaded();',
    },
    pools: Object.fromEntries(
      ['one', 'two'].map((name) => [
        name,
        {
          'php_admin_value[opcache.preload]': '{folder}/www/pre.php',
          'php_admin_value[opcache.preload_user]': 'www-data',
        },
      ]),
    ),
  });
  await tsfpm.expectLog(/is started for each pool by itself.*opcache\.preload runs a script in it/);
  for (const pool of ['one', 'two']) assert.equal(await tsfpm.get('is.php', { pool }), 'yes');
});

test('no zygote is left when the master is killed', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { one: {}, two: {}, three: {} }, isUnchecked: true });
  // A fork has the template's title until it has its settings.
  await until('there is one template', () => templates(tsfpm).length === 1);
  killProcess(tsfpm.pid);
  await until('everything has ended', () => tsfpm.family().length === 0);
});
