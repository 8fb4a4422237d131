import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';

const files = {
  'ini.php': `<?php $names = ['memory_limit', 'user_agent', 'open_basedir', 'upload_max_filesize', 'output_buffering'];
    foreach ($names as $name) { $values[$name] = ini_get($name); $set[$name] = @ini_set($name, ini_get($name)) !== false; }
    echo json_encode(['values' => $values, 'set' => $set, 'level' => ob_get_level(), 'pid' => getmypid(),
      'prepended' => defined('PREPENDED'), 'strrev' => function_exists('strrev')]);`,
  'prepend.php': '<?php define("PREPENDED", 1);',
};

interface Ini {
  readonly values: Record<string, string>;
  readonly set: Record<string, boolean>;
  readonly level: number;
  readonly pid: number;
  readonly prepended: boolean;
  readonly strrev: boolean;
}

test('PHP_VALUE and PHP_ADMIN_VALUE count for their request alone, of any level', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const before = await tsfpm.getJson<Ini>('ini.php');
  const during = await tsfpm.getJson<Ini>('ini.php', {
    params: {
      PHP_VALUE: `memory_limit = 77M\nupload_max_filesize = 3M\noutput_buffering = 100\nauto_prepend_file = "${tsfpm.folder.script('prepend.php')}"`,
      PHP_ADMIN_VALUE: `user_agent = "locked one"\nopen_basedir = ${tsfpm.folder.path}`,
    },
  });
  assert.deepEqual(during.values, {
    memory_limit: '77M',
    user_agent: 'locked one',
    open_basedir: tsfpm.folder.path,
    upload_max_filesize: '3M',
    output_buffering: '100',
  });
  assert.deepEqual([during.set.memory_limit, during.set.user_agent], [true, false]);
  assert.deepEqual([during.level, during.prepended], [1, true]);
  assert.deepEqual(await tsfpm.getJson<Ini>('ini.php'), before);
});

test('the pool’s php_admin_value wins over either', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'php_admin_value[memory_limit]': '66M', 'php_value[user_agent]': 'pool' } },
    files,
  });
  const params = { PHP_VALUE: 'memory_limit = 1G\nuser_agent = sent', PHP_ADMIN_VALUE: 'memory_limit = 2G' };
  const { values, set } = await tsfpm.getJson<Ini>('ini.php', { params });
  assert.deepEqual([values.memory_limit, values.user_agent, set.memory_limit], ['66M', 'sent', false]);
});

test('mistakes are told, and what stands around them counts', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const PHP_VALUE =
    'user_agent = first\nno.such.setting = 1\na[] = 2\nextension = nothing\nmemory_limit = 78M';
  const { stderr, text } = await tsfpm.request('ini.php', { params: { PHP_VALUE } });
  const { values } = JSON.parse(text) as Ini;
  assert.deepEqual([values.user_agent, values.memory_limit], ['first', '78M']);
  for (const what of [
    "unable to set 'no.such.setting'",
    'only classic entries are allowed',
    "unable to set 'extension'",
  ])
    assert.ok(stderr.includes(`Passing INI directive through FastCGI: ${what}`), stderr);
  for (const broken of ['=', '[section]', 'x = "', '"', '\0', 'memory_limit'])
    assert.equal(
      (await tsfpm.request('ini.php', { params: { PHP_ADMIN_VALUE: broken } })).status,
      200,
      broken,
    );
  tsfpm.announce(/PHP: {2}syntax error/);
});

test('functions are for a pool to disable: a request that tries is told, and does not run with them', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const params = { PHP_ADMIN_VALUE: 'disable_functions = "strrev,exec"' };
  const { status, stderr, text } = await tsfpm.request('ini.php', { params });
  assert.deepEqual([status, text], [403, 'Access denied.\n']);
  assert.match(stderr, /unable to set 'disable_functions'/);
  assert.ok((await tsfpm.getJson<Ini>('ini.php')).strrev);
});

test('a variable of the environment with that name is no param', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'env[PHP_VALUE]': '"user_agent = wrong"' } }, files });
  const { values } = await tsfpm.getJson<Ini>('ini.php');
  assert.notEqual(values.user_agent, 'wrong');
});
