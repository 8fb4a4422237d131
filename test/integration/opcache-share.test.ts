import assert from 'node:assert/strict';
import { chmodSync, chownSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Pid } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess, processInfo } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

// Pools of one name share opcache's memory and APCu's; all others have their own.

const OPCACHE_PHP = `<?php
if (($_GET['act'] ?? '') === 'reset') opcache_reset();
$status = opcache_get_status(true);
echo json_encode(array_map('basename', array_keys($status['scripts'] ?? [])));`;

const DIE_PHP = `<?php posix_kill(getmypid(), 11); sleep(5);`;
const FILES = { 'opcache.php': OPCACHE_PHP, 'pid.php': PID_PHP, 'die.php': DIE_PHP };
type Settings = Readonly<Record<string, string | number>>;
const SHARED: Settings = { 'opcache.share': 'shop' };

function zygoteOf(tsfpm: Daemon, pool: string): Pid {
  const pid = tsfpm.zygote(pool);
  assert.ok(pid !== undefined, `pool ${pool} has a zygote`);
  return pid;
}

function templates(tsfpm: Daemon): string[] {
  return tsfpm
    .family()
    .flatMap(({ title }) => (title.startsWith('tsfpm: template') ? [title] : []))
    .toSorted();
}

/** Inodes of the shared anonymous memory that a process may write to: opcache's, and APCu's. */
function memoryOf(pid: Pid): string[] {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .filter((line) => / rw.s .*\/dev\/zero/.test(line))
    .map((line) => line.split(/ +/)[4] ?? '');
}

function memory(tsfpm: Daemon, pool: string): string[] {
  return memoryOf(zygoteOf(tsfpm, pool));
}

function scripts(tsfpm: Daemon, pool: string, query = ''): Promise<string[]> {
  return tsfpm.getJson<string[]>('opcache.php', { pool, params: { QUERY_STRING: query } });
}

function start(
  t: TestContext,
  pools: Readonly<Record<string, Settings>>,
  global: Settings = {},
): Promise<Daemon> {
  return startTsfpm(t, { files: FILES, pools, global });
}

test('pools of one opcache.share have the same memory, others have their own', async (t) => {
  const tsfpm = await start(t, {
    one: SHARED,
    two: SHARED,
    alone: { 'opcache.share': 'other' },
    own: {},
    more: {},
  });
  assert.deepEqual(templates(tsfpm), [
    'tsfpm: template',
    'tsfpm: template',
    'tsfpm: template other',
    'tsfpm: template shop',
  ]);
  const [one, two, alone, own, more] = ['one', 'two', 'alone', 'own', 'more'].map((pool) =>
    memory(tsfpm, pool),
  );
  assert.ok(one !== undefined && one.length > 0);
  assert.deepEqual(two, one);
  const all = [one, alone, own, more].flat();
  assert.equal(new Set(all).size, all.length);
  for (const pool of ['one', 'two', 'alone'])
    assert.equal(processInfo(zygoteOf(tsfpm, pool))?.parent, tsfpm.pid);
});

test('what one pool of an opcache.share has compiled and resets is so for the other', async (t) => {
  const tsfpm = await start(t, { one: SHARED, two: SHARED, other: {} });
  for (let i = 0; i < 4; i++) await tsfpm.get('pid.php', { pool: 'one' });
  await until('two has it', async () => (await scripts(tsfpm, 'two')).includes('pid.php'));
  assert.ok(!(await scripts(tsfpm, 'other')).includes('pid.php'));
  await scripts(tsfpm, 'two', 'act=reset');
  await until('the reset is done', async () => !(await scripts(tsfpm, 'one')).includes('pid.php'));
});

test('after a reload the pools of an opcache.share have another opcache, all of them the same', async (t) => {
  const tsfpm = await start(t, { one: SHARED, two: SHARED });
  const before = memory(tsfpm, 'one');
  const count = 2;
  for (let i = 0; i < count; i++) {
    const zygotes = ['one', 'two'].map((pool) => zygoteOf(tsfpm, pool));
    tsfpm.signal('SIGUSR2');
    await until('both have gone over', () => zygotes.every((pid) => processInfo(pid) === undefined));
  }
  const after = memory(tsfpm, 'one');
  assert.deepEqual(memory(tsfpm, 'two'), after);
  assert.deepEqual(
    after.filter((inode) => before.includes(inode)),
    [],
  );
  assert.deepEqual(templates(tsfpm), ['tsfpm: template shop']);
});

test('a zygote that dies is replaced by one of the same opcache', async (t) => {
  const tsfpm = await start(t, { one: SHARED, two: SHARED });
  tsfpm.announce(/zygote \d+ exited on signal 9/);
  const zygote = zygoteOf(tsfpm, 'one');
  killProcess(zygote);
  await until('there is another', () => ![undefined, zygote].includes(tsfpm.zygote('one')));
  assert.deepEqual(memory(tsfpm, 'one'), memory(tsfpm, 'two'));
});

test('where the php-cgi has memory that no fork can replace, an opcache.share has a php-cgi of its own', async (t) => {
  const settings = { 'php_admin_value[opcache.preferred_memory_model]': 'shm' };
  const tsfpm = await start(t, {
    one: { ...SHARED, ...settings },
    two: { ...SHARED, ...settings },
    other: { 'opcache.share': 'other', ...settings },
  });
  assert.deepEqual(templates(tsfpm), ['tsfpm: template other', 'tsfpm: template shop']);
  for (const pool of ['one', 'two', 'other']) assert.match(await tsfpm.get('pid.php', { pool }), /^\d+$/);
  await tsfpm.expectLog(
    /is started for each pool by itself, not once for all that are alike: it shares memory/,
  );
});

test('after crashes a pool of an opcache.share leaves the memory, and others that crash follow', async (t) => {
  const pool = { ...SHARED, rlimit_core: 0 };
  const tsfpm = await start(
    t,
    { one: pool, two: pool, three: pool },
    { emergency_restart_threshold: 1, emergency_restart_interval: 60 },
  );
  tsfpm.announce(/exited on signal 11/, /failed processes threshold/);
  const before = memory(tsfpm, 'one');
  const crash = async (name: string) => {
    const zygote = zygoteOf(tsfpm, name);
    await tsfpm.request('die.php', { pool: name }).catch(() => {});
    await until('it has another', () => ![undefined, zygote].includes(tsfpm.zygote(name)));
    await until('the old one is gone', () => processInfo(zygote) === undefined);
    return memory(tsfpm, name);
  };
  const fresh = await crash('one');
  assert.deepEqual(
    fresh.filter((inode) => before.includes(inode)),
    [],
  );
  assert.deepEqual(memory(tsfpm, 'two'), before);
  assert.deepEqual(await crash('two'), fresh);
  assert.deepEqual(memory(tsfpm, 'three'), before);
  assert.deepEqual(templates(tsfpm), ['tsfpm: template shop']);
});

test('with reload_unchanged = no an opcache.share goes over as a whole', async (t) => {
  const tsfpm = await start(t, { one: SHARED, two: SHARED, other: {} }, { reload_unchanged: 'no' });
  const zygotes = ['one', 'two', 'other'].map((pool) => zygoteOf(tsfpm, pool));
  tsfpm.folder.writePieces({
    global: { reload_unchanged: 'no' },
    pools: { one: { ...SHARED, 'env[A]': 'b' }, two: SHARED, other: {} },
  });
  tsfpm.signal('SIGUSR2');
  await until('both have gone over', () =>
    zygotes.slice(0, 2).every((pid) => processInfo(pid) === undefined),
  );
  assert.deepEqual(memory(tsfpm, 'two'), memory(tsfpm, 'one'));
  assert.equal(tsfpm.zygote('other'), zygotes[2]);
});

for (const isOn of [true, false])
  test(`two jails ${isOn ? 'do not run' : 'run'} each other’s script of one path, opcache.validate_root ${isOn ? 'on' : 'off'}`, async (t) => {
    const settings = { ...SHARED, ...(isOn ? {} : { 'php_admin_flag[opcache.validate_root]': 'off' }) };
    const tsfpm = await startTsfpm(t, {
      files: { 'a/site.php': '<?php echo "a";', 'b/site.php': '<?php echo "b";' },
      pools: {
        a: { ...settings, chroot: '{folder}/www/a' },
        b: { ...settings, chroot: '{folder}/www/b' },
      },
    });
    const warning =
      /\[pool b\] by 'opcache.share = shop' it shares with pool 'a', but has another root, and opcache.validate_root is off/;
    if (isOn) assert.doesNotMatch(tsfpm.log.text, warning);
    else await tsfpm.expectLog(warning);
    const get = (pool: string) =>
      tsfpm.get('', { pool, params: { SCRIPT_FILENAME: '/site.php', SCRIPT_NAME: '/site.php' } });
    for (let i = 0; i < 4; i++) assert.equal(await get('a'), 'a');
    for (let i = 0; i < 4; i++) assert.equal(await get('b'), isOn ? 'b' : 'a');
  });

for (const isOn of [true, false])
  test(`a user ${isOn ? 'does not run' : 'runs'} what only another may read, opcache.validate_permission ${isOn ? 'on' : 'off'}`, async (t) => {
    const settings = { ...SHARED, ...(isOn ? {} : { 'php_admin_flag[opcache.validate_permission]': 'off' }) };
    const tsfpm = await startTsfpm(t, {
      files: {
        'secret.php': '<?php return "secret";',
        'get.php': '<?php echo @include __DIR__ . "/secret.php";',
      },
      pools: { a: { ...settings, user: 'www-data' }, b: { ...settings, user: 'nobody', group: 'nogroup' } },
    });
    if (!isOn) await tsfpm.expectLog(/it shares with pool 'a', but has another user/);
    const secret = tsfpm.folder.script('secret.php');
    chmodSync(secret, 0o600);
    chownSync(secret, 33, 33);
    for (let i = 0; i < 4; i++) assert.equal(await tsfpm.get('get.php', { pool: 'a' }), 'secret');
    for (let i = 0; i < 4; i++) assert.equal(await tsfpm.get('get.php', { pool: 'b' }), isOn ? '' : 'secret');
  });

test('where a script is preloaded the pools of an opcache.share have an opcache each, and it is told once', async (t) => {
  const settings = {
    ...SHARED,
    'php_admin_value[opcache.preload]': '{folder}/www/pre.php',
    'php_admin_value[opcache.preload_user]': 'www-data',
  };
  const tsfpm = await startTsfpm(t, {
    files: { 'pre.php': '<?php function preloaded() { return "yes"; }', 'is.php': '<?php echo preloaded();' },
    pools: { one: settings, two: settings },
  });
  const told = /WARNING: 'opcache\.share = shop' has no effect: .*opcache\.preload runs a script in it/g;
  await tsfpm.expectLog(told);
  for (const pool of ['one', 'two']) assert.equal(await tsfpm.get('is.php', { pool }), 'yes');
  assert.deepEqual(templates(tsfpm), []);
  assert.equal(tsfpm.log.text.match(told)?.length, 1);
});
