import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { isRoot, type Settings } from '../helpers/daemon-folder.js';
import { reload } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';

// opcache.warmup: what the old children had in opcache the new ones have, too, and nothing of it was run.

const STATUS_PHP = `<?php
if (isset($_GET['use'])) foreach (glob(__DIR__ . '/[a-m]*.php') as $file) include $file;
echo json_encode(array_map('basename', array_keys(opcache_get_status(true)['scripts'] ?? [])));`;

/** Tells that it was run. */
const mark = (name: string) => `file_put_contents(__DIR__ . '/marks/${name}', '.', FILE_APPEND);`;

const FILES = {
  'status.php': STATUS_PHP,
  'base.php': '<?php if (!class_exists("Base", false)) { class Base {} }',
  'child.php': `<?php ${mark('child')} if (!class_exists("Child", false)) { class Child extends Base {} }`,
  'broken.php': '<?php return 1;',
  'leaves.php': '<?php return 2;',
  "mo'on\\.php": '<?php if (!function_exists("moon")) { function moon() {} } return 3;',
};
const WARMED = ['base.php', 'child.php', "mo'on\\.php", 'status.php'];

async function scripts(tsfpm: Daemon, pool: Settings, query = ''): Promise<string[]> {
  const inJail = pool.chroot === undefined ? {} : { SCRIPT_FILENAME: '/status.php', DOCUMENT_ROOT: '/' };
  const params = { ...inJail, QUERY_STRING: query };
  return (await tsfpm.getJson<string[]>('status.php', { params })).toSorted();
}

/** A daemon whose opcache has every file, and how often child.php has run. */
async function startUsed(
  t: TestContext,
  pool: Settings,
  files: Record<string, string> = {},
  global: Settings = {},
) {
  const settings = {
    'pm.max_children': 1,
    'opcache.warmup': 2000,
    'php_admin_value[opcache.enable]': 1,
    ...pool,
  };
  const tsfpm = await startTsfpm(t, { pools: { www: settings }, files: { ...FILES, ...files }, global });
  mkdirSync(tsfpm.folder.script('marks'));
  chmodSync(tsfpm.folder.script('marks'), 0o1777);
  const wanted = Object.keys(FILES);
  await until('all are in opcache', async () => {
    const cached = await scripts(tsfpm, pool, 'use=1');
    return wanted.every((name) => cached.includes(name));
  });
  const marks = (name: string) => readFileSync(tsfpm.folder.script(`marks/${name}`), 'latin1');
  return { tsfpm, marks };
}

const places: Readonly<Record<string, Settings>> = {
  'a usual pool': {},
  open_basedir: { 'php_admin_value[open_basedir]': '{folder}' },
  'functions are disabled': {
    'php_admin_value[disable_functions]': 'opcache_compile_file,opcache_reset,explode,ini_set',
  },
  'few may ask opcache': { 'php_admin_value[opcache.restrict_api]': '{folder}/www/' },
  'opcache.share': { 'opcache.share': 'shop' },
  ...(isRoot ? { 'a jail': { chroot: '{folder}/www' } } : {}),
};

for (const [place, pool] of Object.entries(places))
  test(`after a reload opcache has what was used, and nothing was run: ${place}`, async (t) => {
    const { tsfpm, marks } = await startUsed(t, pool);
    const before = marks('child');
    tsfpm.folder.writeScript('broken.php', '<?php class Bad { function');
    rmSync(tsfpm.folder.script('leaves.php'));
    const log = await reload(tsfpm);
    assert.deepEqual(await scripts(tsfpm, pool), WARMED);
    assert.equal(marks('child'), before);
    assert.doesNotMatch(log, /PHP (?:Parse|Fatal|Warning)|broken/);
  });

test('auto_prepend_file is not run for it, nor what .user.ini names', async (t) => {
  const files = {
    'prepend.php': `<?php ${mark('prepend')}`,
    'user.php': `<?php ${mark('user')}`,
    '.user.ini': 'auto_append_file = user.php',
  };
  const pool = { 'php_value[auto_prepend_file]': '{folder}/www/prepend.php' };
  const { tsfpm, marks } = await startUsed(t, pool, files);
  const before = [marks('prepend'), marks('user')];
  await reload(tsfpm);
  assert.deepEqual([marks('prepend'), marks('user')], before);
  assert.ok((await scripts(tsfpm, pool)).includes('child.php'));
});

test('with opcache.warmup = 0 opcache is empty after a reload', async (t) => {
  const pool = { 'opcache.warmup': 0 };
  const { tsfpm } = await startUsed(t, pool);
  await reload(tsfpm);
  assert.deepEqual(await scripts(tsfpm, pool), ['status.php']);
});

test('an emergency restart has what the crashed pool used', async (t) => {
  const files = { 'z.php': '<?php posix_kill(getmypid(), 11); sleep(5);' };
  const global = { emergency_restart_threshold: 1, emergency_restart_interval: 60 };
  const { tsfpm } = await startUsed(t, { rlimit_core: 0 }, files, global);
  tsfpm.announce(/exited on signal/);
  const before = tsfpm.zygote('www');
  await tsfpm.get('z.php').catch(() => {});
  await tsfpm.expectLog(/initiating reload of pool www/);
  await until('the pool is renewed', () => ![undefined, before].includes(tsfpm.zygote('www')));
  await until('it has them', async () => (await scripts(tsfpm, {})).includes('child.php'));
});
