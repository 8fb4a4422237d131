import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { isRoot, unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { scriptParams } from '../helpers/fastcgi-client.js';
import { FpmAlike } from '../helpers/fpm-alike.js';
import { phpVersion } from '../helpers/php-programs.js';
import { ENVIRONMENT_PHP, INI_PHP } from '../helpers/probes.js';

interface Environment {
  readonly getenv: Record<string, string>;
  readonly server: Record<string, string>;
  readonly env: Record<string, string>;
  readonly info: string;
  readonly proc: string;
  readonly shell: string;
}

const files = { 'env.php': ENVIRONMENT_PHP, 'ini.php': INI_PHP };
const OURS = /LD_PRELOAD|TSFPM_|PHP_FCGI_|FCGI_WEB/;

test('clear_env = yes leaves USER, HOME and env[] and nothing else', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'env[GREETING]': 'hello', 'env[FROM_MASTER]': '$SECRET', 'env[NOTHING]': '$MISSING' } },
    environment: { SECRET: 'told', HIDDEN: 'never' },
    files,
  });
  const { getenv, shell } = await tsfpm.getJson<Environment>('env.php');
  assert.equal(getenv.GREETING, 'hello');
  assert.equal(getenv.FROM_MASTER, 'told');
  const names = shell
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0])
    // sh's own
    .filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name ?? ''));
  assert.deepEqual(names.sort(), ['FROM_MASTER', 'GREETING', 'HOME', 'NOTHING', 'USER']);
});

test('clear_env = no passes the environment of the master on, and nothing of ours', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { clear_env: 'no', 'env[SECRET]': 'overridden' } },
    environment: { SECRET: 'told', VISIBLE: 'yes' },
    files,
  });
  const { getenv, server, shell } = await tsfpm.getJson<Environment>('env.php');
  assert.equal(getenv.VISIBLE, 'yes');
  assert.equal(getenv.SECRET, 'overridden');
  assert.equal(server.VISIBLE, 'yes');
  assert.match(shell, /^PATH=/m);
});

for (const clearEnv of ['yes', 'no'])
  test(`with clear_env = ${clearEnv} nothing of ours is in getenv, $_SERVER, $_ENV, phpinfo, /proc and programs`, async (t) => {
    const tsfpm = await startTsfpm(t, {
      // A dumpable process can read /proc/self/environ, which is the environment that it was started with.
      pools: {
        www: { clear_env: clearEnv, 'process.dumpable': 'yes', 'php_value[variables_order]': 'EGPCS' },
      },
      environment: { SECRET: 'the-master-knows' },
      files,
    });
    const environment = await tsfpm.getJson<Environment>('env.php');
    for (const [name, part] of Object.entries(environment)) {
      assert.doesNotMatch(JSON.stringify(part), OURS, name);
      if (clearEnv === 'yes') assert.doesNotMatch(JSON.stringify(part), /the-master-knows/, name);
    }
    assert.equal(typeof environment.proc, 'string');
    assert.ok(Object.keys(environment.env).length > 0);
  });

test('an LD_PRELOAD of the administrator stays for programs, without ours', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { clear_env: 'no' } },
    environment: { LD_PRELOAD: 'libc.so.6' },
    files,
  });
  const { getenv } = await tsfpm.getJson<Environment>('env.php');
  assert.equal(getenv.LD_PRELOAD, 'libc.so.6');
});

test('USER and HOME are the pool user’s', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const { getenv } = await tsfpm.getJson<Environment>('env.php');
  if (isRoot) assert.deepEqual([getenv.USER, getenv.HOME], [WORKER_USER, '/var/www']);
  else assert.ok(getenv.USER && getenv.HOME);
});

test('USER and HOME are not set where the user is a number', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { user: 64999, group: 64999 } }, files });
  const { getenv } = await tsfpm.getJson<Environment>('env.php');
  assert.deepEqual([getenv.USER, getenv.HOME], [undefined, undefined]);
});

test('env[USER] and env[HOME] win, FastCGI params win over env[] in $_SERVER', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'env[USER]': 'me', 'env[HOME]': '/somewhere', 'env[REMOTE_ADDR]': 'nowhere' } },
    files,
  });
  const { getenv, server } = await tsfpm.getJson<Environment>('env.php');
  assert.deepEqual([getenv.USER, getenv.HOME], ['me', '/somewhere']);
  assert.equal(server.REMOTE_ADDR, '127.0.0.1');
});

test('variables of a CGI request in the master’s environment do not make php-cgi run a script', async (t) => {
  const tsfpm = await startTsfpm(t, {
    environment: {
      REQUEST_METHOD: 'GET',
      SCRIPT_FILENAME: '/etc/passwd',
      PHP_FCGI_CHILDREN: '50',
      SERVER_SOFTWARE: 'x',
    },
    files,
  });
  const { server } = await tsfpm.getJson<Environment>('env.php');
  assert.equal(server.SCRIPT_FILENAME, tsfpm.folder.script('env.php'));
  assert.equal(tsfpm.workers().length, 2);
});

/** What getenv() knows after putenv(), by name and whole, with $_ENV and $_SERVER made before and after. */
const LATER_PHP = `<?php
$told = [array_keys(getenv())];
putenv('LATER=1');
putenv('BASE=changed');
putenv('SCRIPT_NAME=mine');
foreach (['LATER', 'BASE', 'SCRIPT_NAME', 'HTTP_PROXY'] as $name)
  $told[$name] = [getenv($name), getenv()[$name] ?? null, $_SERVER[$name] ?? null, getenv($name, true)];
putenv('LATER');
$told[] = [getenv()['LATER'] ?? null, array_keys(getenv()), $_ENV['BASE'] ?? null, ini_get('variables_order')];
echo json_encode($told);`;

test('getenv() without a name knows what putenv() has changed, where PHP looks anew', {
  skip: Number(phpVersion()) < 8 ? 'gives a copy of $_ENV, under php-fpm too' : false,
}, async (t) => {
  const www = { 'pm.max_children': 1, 'env[BASE]': 'base', 'php_value[variables_order]': 'EGPCS' };
  const tsfpm = await startTsfpm(t, { pools: { www }, files: { 'later.php': LATER_PHP } });
  const request = { params: { HTTP_PROXY: 'the client' } };
  const told = await tsfpm.getJson<Record<string, unknown[]>>('later.php', request);
  assert.deepEqual(told.LATER, ['1', '1', null, '1']);
  assert.deepEqual(told.BASE, ['changed', 'changed', 'base', 'changed']);
  assert.equal(told.HTTP_PROXY?.[1], 'the client');
  assert.deepEqual([told[1]?.[0], told[1]?.[3]], [null, 'EGPCS']);
  assert.deepEqual(await tsfpm.getJson('later.php', request), told);
});

for (const order of ['EGPCS', 'GPCS', 'egpcs', 'E'])
  for (const kind of ['php_value', 'php_admin_value'])
    test(`getenv() without a name knows what putenv() has changed, as under php-fpm: ${kind} ${order}`, {
      skip: unlessPhpFpm,
    }, async (t) => {
      const www = { 'pm.max_children': 1, 'env[BASE]': 'base', [`${kind}[variables_order]`]: order };
      const tsfpm = await startTsfpm(t, { pools: { www }, files: { 'later.php': LATER_PHP } });
      const fpm = new FpmAlike(tsfpm.folder);
      await fpm.start(t);
      const params = scriptParams(tsfpm.folder.script('later.php'), { HTTP_PROXY: 'the client' });
      const [ours, theirs] = [tsfpm.address(), `${fpm.path}/www.sock`].map((address) =>
        answer(address, params),
      );
      assert.deepEqual((await ours)?.body, (await theirs)?.body);
      // Nothing of it stays for the next request.
      assert.deepEqual(await answer(tsfpm.address(), params), await ours);
    });

test('env[] is in the order of the file', async (t) => {
  const names = ['ZULU', 'ALPHA', 'MIKE', 'BRAVO'];
  const www = Object.fromEntries(names.map((name) => [`env[${name}]`, name]));
  const tsfpm = await startTsfpm(t, { pools: { www }, files });
  const { getenv, server } = await tsfpm.getJson<Environment>('env.php');
  for (const seen of [getenv, server])
    assert.deepEqual(
      Object.keys(seen).filter((name) => names.includes(name)),
      names,
    );
});

// ---- php_value and php_admin_value ----

type Ini = Record<string, { before: string; changed: boolean; after: string }>;

const plain = (text: string) => Buffer.from(text, 'base64').toString();

async function ini(tsfpm: Daemon, wanted: Record<string, string>): Promise<Ini> {
  const QUERY_STRING = new URLSearchParams(
    Object.entries(wanted).map(([name, value]): [string, string] => [name.replaceAll('.', '__'), value]),
  ).toString();
  return tsfpm.getJson<Ini>('ini.php', { params: { QUERY_STRING } });
}

test('scripts may change a php_value and not a php_admin_value, each anew in every request', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 1,
        'php_value[memory_limit]': '61M',
        'php_admin_value[user_agent]': 'locked',
        'php_flag[display_errors]': 'on',
        'php_admin_flag[html_errors]': 'off',
      },
    },
    files,
  });
  for (let request = 0; request < 3; request++) {
    const answer = await ini(tsfpm, {
      memory_limit: '62M',
      user_agent: 'mine',
      display_errors: '0',
      html_errors: '1',
    });
    assert.deepEqual(
      Object.entries(answer).map(([name, { before, changed, after }]) => [
        name,
        plain(before),
        changed,
        after,
      ]),
      [
        ['memory_limit', '61M', true, '62M'],
        ['user_agent', 'locked', false, 'locked'],
        ['display_errors', '1', true, '0'],
        ['html_errors', '0', false, '0'],
      ],
    );
  }
});

test('php_admin_value locks a setting after php_value has set it', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'php_admin_value[memory_limit]': '64M', 'php_value[memory_limit]': '63M' } },
    files,
  });
  const { memory_limit: limit } = await ini(tsfpm, { memory_limit: '1G' });
  assert.deepEqual([plain(limit?.before ?? ''), limit?.changed], ['64M', false]);
});

/** As written in the file -> as PHP sees it. */
const ODD_VALUES: readonly (readonly [string, string])[] = [
  ['"a b"', 'a b'],
  ['"x;y"', 'x;y'],
  [`'$HOME \${nothing} \${'`, `$HOME \${nothing} \${`],
  ['"{a}|b&c^d~e!f(g)"', '{a}|b&c^d~e!f(g)'],
  [`"it's"`, "it's"],
  [`"'at both ends'"`, "'at both ends'"],
  [`'say "x"'`, 'say "x"'],
  ['"back\\slash"', 'back\\slash'],
  ['"=="', '=='],
  ['"ünïcödé €"', 'ünïcödé €'],
  ['"tab\there"', 'tab\there'],
  ['"%s %n %d"', '%s %n %d'],
  ['"null"', 'null'],
  ['"[x]"', '[x]'],
  ['"#no comment"', '#no comment'],
];

for (const kind of ['php_value', 'php_admin_value'])
  test(`odd characters of a ${kind} arrive byte by byte`, async (t) => {
    const pools = Object.fromEntries(
      ODD_VALUES.map(([written], i) => [
        `odd${i}`,
        { 'pm.max_children': 1, [`${kind}[user_agent]`]: written },
      ]),
    );
    const tsfpm = await startTsfpm(t, { pools, files });
    for (const [i, [written, seen]] of ODD_VALUES.entries()) {
      const answer = await tsfpm.getJson<Ini>('ini.php', {
        pool: `odd${i}`,
        params: { QUERY_STRING: 'user_agent=changed' },
      });
      assert.equal(plain(answer.user_agent?.before ?? ''), seen, written);
      assert.equal(answer.user_agent?.changed, kind === 'php_value', written);
    }
  });
