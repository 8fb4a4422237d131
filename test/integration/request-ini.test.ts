import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { answer, startFpm, unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { startTsfpm } from '../helpers/daemon.js';
import { type FcgiAddress, scriptParams } from '../helpers/fastcgi-client.js';
import { sleep } from '../helpers/wait.js';

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

const levels = {
  'levels.php': `<?php foreach (['memory_limit', 'user_agent', 'html_errors', 'precision'] as $name) {
      $value = ini_get($name); $said[$name] = [$value, @ini_set($name, '99M') !== false]; }
    echo json_encode([$said, ini_get_all('core', false)['user_agent'] ?? null, function_exists('strrev'), class_exists('SplStack')
    ]);`,
  'sub/.user.ini': 'memory_limit = 41M\nuser_agent = from-user-ini\nprecision = 7\nhtml_errors = 1\n',
  'sub/levels.php': '<?php require __DIR__ . "/../levels.php";',
};
const LEVELS = {
  'pm.max_children': 1,
  'php_value[memory_limit]': '40M',
  'php_value[precision]': '5',
  'php_admin_value[user_agent]': 'admin',
  'php_admin_flag[html_errors]': 'off',
  'php_value[user_ini.cache_ttl]': '0',
};

test('.user.ini changes a php_value and no php_admin_value, and is read anew after its time', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: LEVELS }, files: levels });
  const fpm = unlessPhpFpm
    ? undefined
    : await startFpm(
        t,
        tsfpm,
        Object.entries(LEVELS)
          .slice(1)
          .map(([name, value]) => `${name} = ${value}`)
          .join('\n'),
      );
  const ask = (address: FcgiAddress, name: string) =>
    answer(address, scriptParams(tsfpm.folder.script(name)));
  const expected = (limit: string, precision: string) => ({
    memory_limit: [limit, true],
    user_agent: ['admin', false],
    html_errors: ['0', false],
    precision: [precision, true],
  });
  for (const [limit, precision] of [
    ['41M', '7'],
    ['42M', '8'],
  ] as const) {
    // PHP counts the time of user_ini.cache_ttl in whole seconds.
    if (limit === '42M') await sleep(1100);
    tsfpm.folder.writeScript(
      'sub/.user.ini',
      (levels['sub/.user.ini'] ?? '').replace('41M', limit).replace('= 7', `= ${precision}`),
    );
    for (const [name, values] of [
      ['sub/levels.php', [limit, precision]],
      ['levels.php', ['40M', '5']],
    ] as const) {
      const ours = await ask(tsfpm.address(), name);
      assert.deepEqual(JSON.parse(ours.body)[0], expected(values[0] ?? '', values[1] ?? ''), name);
      if (fpm !== undefined) assert.deepEqual(ours, await ask(fpm, name));
    }
  }
});

test('params win over .user.ini where they lock, and not where they do not', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: LEVELS }, files: levels });
  const params = {
    DOCUMENT_ROOT: tsfpm.folder.at('www'),
    PHP_VALUE: 'memory_limit = 50M',
    PHP_ADMIN_VALUE: 'precision = 6\nuser_agent = sent',
  };
  const [said] = JSON.parse(await tsfpm.get('sub/levels.php', { params }));
  assert.deepEqual(said, {
    memory_limit: ['41M', true],
    user_agent: ['admin', false],
    html_errors: ['0', false],
    precision: ['6', false],
  });
});

test('a pool may disable functions and classes, and load an extension', async (t) => {
  const extension = spawnSync('php-cgi', ['-n', '-d', 'extension=ctype', '-m']).stdout?.toString() ?? '';
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'php_admin_value[disable_functions]': 'strrev, exec',
        'php_admin_value[disable_classes]': 'SplStack',
        ...(/^ctype$/m.test(extension) ? { 'php_admin_value[extension]': 'ctype' } : {}),
      },
    },
    files: {
      'disabled.php': `<?php echo json_encode([function_exists('strrev'), function_exists('exec'), ini_set('disable_functions', ''),
        PHP_VERSION_ID < 80500 && in_array('push', get_class_methods('SplStack') ?: []), extension_loaded('ctype')]);`,
    },
  });
  tsfpm.announce(
    /PHP Warning: {2}Module ["']ctype["'](?: is)? already loaded|SplStack\(\) has been disabled/,
  );
  // PHP 8.5 knows no disable_classes any more.
  assert.deepEqual(await tsfpm.getJson('disabled.php'), [false, false, false, false, true]);
});

test('mistakes in the params are told in php-fpm’s words', { skip: unlessPhpFpm }, async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const fpm = await startFpm(t, tsfpm);
  const script = tsfpm.folder.script('ini.php');
  for (const broken of [
    'no.such.setting = 1',
    'a[] = 2',
    '[section]\nmemory_limit = 70M',
    'memory_limit',
    'memory_limit =',
    'user_agent = one\nno.such = x\nmemory_limit = 78M\na[b] = c',
    '; only a comment',
    '\n\n',
  ])
    for (const param of ['PHP_VALUE', 'PHP_ADMIN_VALUE']) {
      const params = scriptParams(script, { [param]: broken });
      const ours = await answer(tsfpm.address(), params);
      const theirs = await answer(fpm, params);
      assert.equal(ours.stderr, theirs.stderr, `${param}: ${broken}`);
      assert.equal(ours.status, theirs.status);
    }
  tsfpm.announce(/PHP: {2}syntax error|Passing INI directive/);
});
