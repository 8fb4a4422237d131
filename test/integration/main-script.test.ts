import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { answer, startFpm, unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { isRoot } from '../helpers/daemon-folder.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';

const files = {
  'v.php': '<?php echo "ran ", $_SERVER["PATH_INFO"] ?? "-";',
  'v.txt': '<?php echo "ran as text";',
  'v.phar': '<?php echo "ran phar";',
  xphp: '<?php echo "no dot";',
  'upload/evil.jpg': '<?php echo "evil";',
  'other.inc': '<?php echo "included";',
  'include.php': '<?php include __DIR__ . "/other.inc";',
  '.php': '<?php echo "only an extension";',
};

interface Case {
  readonly what: string;
  readonly params: (tsfpm: Daemon) => Record<string, string>;
  readonly status: number;
  readonly body: string;
}

const named =
  (name: string, extra: Record<string, string> = {}) =>
  (tsfpm: Daemon) =>
    scriptParams(`${tsfpm.folder.at('www')}/${name}`, extra);
const without =
  (name: string, ...left: string[]) =>
  (tsfpm: Daemon) =>
    Object.fromEntries(Object.entries(named(name)(tsfpm)).filter(([key]) => !left.includes(key)));

const NOT_FOUND = { status: 404, body: 'File not found.\n' };
const DENIED = { status: 403, body: 'Access denied.\n' };

const CASES: readonly Case[] = [
  { what: 'a script', params: named('v.php'), status: 200, body: 'ran -' },
  {
    what: 'a script with path info',
    params: named('v.php/x', { PATH_INFO: '/x' }),
    status: 200,
    body: 'ran /x',
  },
  { what: 'the other extension of the default', params: named('v.phar'), status: 200, body: 'ran phar' },
  { what: 'an include of any name', params: named('include.php'), status: 200, body: 'included' },
  { what: 'a missing file', params: named('missing.php'), ...NOT_FOUND },
  { what: 'a missing file of another extension', params: named('missing.txt'), ...NOT_FOUND },
  { what: '.. in the path', params: named('upload/../v.php'), ...NOT_FOUND },
  { what: 'no path', params: without('v.php', 'SCRIPT_FILENAME'), ...NOT_FOUND },
  { what: 'another extension', params: named('v.txt'), ...DENIED },
  {
    what: 'an upload with a script as path info',
    params: named('upload/evil.jpg/x.php', { PATH_INFO: '/x.php' }),
    ...DENIED,
  },
  { what: 'a name that ends in php without a dot', params: named('xphp'), ...DENIED },
  {
    what: 'a name that is no longer than the extension',
    params: named('.php'),
    status: 200,
    body: 'only an extension',
  },
  { what: 'a directory', params: named('upload'), ...DENIED },
  { what: 'a directory with a slash', params: named('upload/'), ...NOT_FOUND },
  { what: 'no method', params: without('v.php', 'REQUEST_METHOD'), status: 200, body: '' },
  { what: 'neither', params: without('v.php', 'REQUEST_METHOD', 'SCRIPT_FILENAME'), status: 200, body: '' },
  { what: 'HEAD', params: named('v.txt', { REQUEST_METHOD: 'HEAD' }), status: 403, body: '' },
];

test('what may run, and the answers where nothing may, are php-fpm’s', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const fpm = unlessPhpFpm ? undefined : await startFpm(t, tsfpm);
  for (const { what, params, status, body } of CASES)
    for (const keepConn of [false, true]) {
      const ours = await answer(tsfpm.address(), params(tsfpm), { keepConn });
      assert.deepEqual([ours.status, ours.body], [status, body], what);
      if (fpm !== undefined) assert.deepEqual(ours, await answer(fpm, params(tsfpm), { keepConn }), what);
    }
  assert.equal(tsfpm.workers().length, 1);
});

test('the list of the pool counts, and an empty one allows everything', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'security.limit_extensions': 'php\t.inc' }, all: { 'security.limit_extensions': '' } },
    files,
  });
  const statuses = async (pool: string) =>
    Promise.all(
      ['v.php', 'xphp', 'other.inc', 'v.phar', 'v.txt'].map(
        async (name) => (await tsfpm.request(name, { pool })).status,
      ),
    );
  assert.deepEqual(await statuses('www'), [200, 200, 200, 403, 403]);
  assert.deepEqual(await statuses('all'), [200, 200, 200, 200, 200]);
});

test('a refused request cannot come to a script by doc_root or user_dir', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'php_admin_value[doc_root]': '{folder}/www', 'php_admin_value[user_dir]': 'www' } },
    files,
  });
  const params = { SCRIPT_NAME: '/v.txt', PATH_INFO: '/v.txt' };
  assert.equal((await tsfpm.request('missing.php', { params })).text, 'File not found.\n');
  assert.equal((await tsfpm.request('v.txt', { params })).text, 'Access denied.\n');
});

test('output buffers, prepended files and broken clients do not get in between', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 1,
        'php_value[output_buffering]': 4096,
        'php_value[zlib.output_compression]': 'off',
        'php_value[auto_prepend_file]': '{folder}/www/v.php',
      },
    },
    files,
  });
  const [pid] = tsfpm.workers();
  for (let i = 0; i < 20; i++) {
    assert.equal((await tsfpm.request('v.txt')).text, 'Access denied.\n');
    const connection = await FastcgiConnection.open(tsfpm.address());
    connection
      .request({ params: scriptParams(tsfpm.folder.script('v.txt')) })
      .catch(() => 'closed on purpose');
    connection.close();
  }
  assert.equal(await tsfpm.get('v.php'), 'ran -ran -');
  assert.deepEqual(tsfpm.workers(), [pid], 'the same worker all the time');
});

test('a path with line ends makes no lines of its own', async (t) => {
  const tsfpm = await startTsfpm(t, { files: { ...files, 'a\nb.txt': 'x' } });
  const { status, stderr } = await tsfpm.request('a\nb.txt');
  assert.equal(status, 403);
  assert.equal(stderr.split('\n').length, 1);
});

test('a script that cannot be opened is answered and told as php-fpm does', async (t) => {
  const settings = { 'php_admin_value[cgi.fix_pathinfo]': 0, 'security.limit_extensions': '' };
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1 }, unfixed: { 'pm.max_children': 1, ...settings } },
    files: { ...files, 'secret.php': 'x' },
  });
  chmodSync(tsfpm.folder.script('secret.php'), 0);
  mkdirSync(tsfpm.folder.script('directory.php'));
  const fpm = unlessPhpFpm ? undefined : await startFpm(t, tsfpm);
  const cases = [
    ...(isRoot ? [['secret.php', 403, 'Access denied.\n', 'Permission denied']] : []),
    ['directory.php', 404, 'No input file specified.\n', '[A-Z][a-z ]+'],
  ] as const;
  for (const [name, status, body, reason] of cases) {
    const params = scriptParams(tsfpm.folder.script(name as string));
    const ours = await answer(tsfpm.address('www'), params);
    assert.deepEqual([ours.status, ours.body], [status, body]);
    assert.match(
      ours.stderr,
      new RegExp(
        `^PHP message: PHP Warning:  (?:PHP Request Startup: F|Unknown: f)ailed to open stream: (${reason}) in Unknown on line 0; Unable to open primary script: \\S+/${name} \\(\\1\\)$`,
      ),
    );
    await tsfpm.expectLog(new RegExp(`ERROR: Unable to open primary script: \\S+/${name} `));
    const plain = (text: string) => text.replaceAll('Success', 'No such file or directory');
    if (fpm !== undefined) {
      const theirs = await answer(fpm, params);
      assert.deepEqual({ ...ours, stderr: plain(ours.stderr) }, { ...theirs, stderr: plain(theirs.stderr) });
    }
  }
  const missing = await answer(tsfpm.address('unfixed'), scriptParams(tsfpm.folder.script('missing.php')));
  assert.deepEqual([missing.status, missing.body], [404, 'No input file specified.\n']);
  assert.match(
    missing.stderr,
    /^Unable to open primary script: \S+\/missing\.php \(No such file or directory\)$/,
  );
  // An include that fails is the script's own matter.
  tsfpm.folder.writeScript('includes.php', '<?php @include __DIR__ . "/directory.php"; echo "went on";');
  const { text, stderr } = await tsfpm.request('includes.php');
  assert.deepEqual([text, stderr], ['went on', '']);
});
