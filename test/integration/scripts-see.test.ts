import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, startFpm, unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { scriptParams } from '../helpers/fastcgi-client.js';

/** What no two daemons share, and PHP_SELF, which php-fpm has in $_ENV as well where $_SERVER was made first. */
const WITHOUT_TIMES = '$own = array_flip(["REQUEST_TIME", "REQUEST_TIME_FLOAT", "PHP_SELF"]);';

const files = {
  'variables.php': `<?php ${WITHOUT_TIMES} $parts = [$_SERVER, $_ENV, getenv()];
    foreach ($parts as &$part) { $part = array_diff_key($part, $own); ksort($part); }
    echo json_encode([$parts, getenv('HTTP_PROXY'), getenv('HTTP_PROXY', true), getenv('SCRIPT_NAME', true)]);`,
  'headers.php': '<?php echo json_encode([getallheaders(), apache_request_headers()]);',
  'functions.php': `<?php foreach (['apache_request_headers', 'getallheaders', 'apache_response_headers', 'apache_child_terminate',
    'fastcgi_finish_request', 'fpm_get_status', 'dl', 'virtual'] as $name) echo $name, function_exists($name) ? ' yes ' : ' no ';
    try { apache_child_terminate(); } catch (Error $error) { echo $error->getMessage(); }`,
  'shebang.php': '#!/usr/bin/env php\n<?php echo "ran";',
  'messages.php': `<?php error_log('one'); echo 'text'; error_log("two\\nlines"); trigger_error('three', E_USER_WARNING);
    fwrite(fopen('php://stderr', 'w'), "plain\\n");`,
  'after.php': `<?php echo 'done'; fastcgi_finish_request(); error_log('said afterwards'); trigger_error('warned afterwards');`,
  'program.php': '<?php echo shell_exec("ls -l /proc/self/fd; env");',
  'open.php': `<?php $own = fopen(__FILE__, 'r'); $kept = proc_open('ls -l /proc/self/fd', [1 => ['pipe', 'w']], $pipes);
    echo stream_get_contents($pipes[1]);`,
};

const POOL = {
  'pm.max_children': 1,
  'php_value[variables_order]': 'EGPCS',
  'php_value[log_errors]': 'on',
  'php_value[display_errors]': 'off',
  'env[GREETING]': 'hello',
  'env[REMOTE_USER]': 'from the pool',
};
const POOL_LINES = Object.entries(POOL)
  .slice(1)
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n');

const start = (t: Parameters<typeof startTsfpm>[0]) => startTsfpm(t, { pools: { www: POOL }, files });
const params = (tsfpm: Daemon, name: string, more: Record<string, string> = {}) =>
  scriptParams(tsfpm.folder.script(name), more);

test('scripts see what php-fpm shows them', { skip: unlessPhpFpm }, async (t) => {
  const tsfpm = await start(t);
  const fpm = await startFpm(t, tsfpm, POOL_LINES);
  const hostile = {
    HTTP_PROXY: 'http://attacker',
    HTTP_X_LONG_NAME: 'é"\\',
    HTTP_COOKIE: 'a=b',
    HTTP_: 'nameless',
    CONTENT_TYPE: 'text/plain',
    CONTENT_LENGTH: '2',
    REMOTE_USER: 'from the client',
    'a.b': 'dotted',
    'x[y]': 'array',
    '': 'empty',
  };
  for (const name of Object.keys(files)) {
    if (['program.php', 'open.php'].includes(name)) continue;
    for (const more of [{}, hostile]) {
      const sent = params(tsfpm, name, more);
      const ask = async (address: Parameters<typeof answer>[0]) =>
        answer(address, sent, { stdin: Buffer.from('CONTENT_LENGTH' in more ? 'ab' : '') });
      const [ours, theirs] = [await ask(tsfpm.address()), await ask(fpm)];
      if (ours.body.startsWith('[')) assert.deepEqual(JSON.parse(ours.body), JSON.parse(theirs.body), name);
      assert.deepEqual(ours, theirs, name);
    }
  }
  tsfpm.announce(/PHP (?:Warning|Notice): /);
});

test('getenv() without a name tells of the params, and functions are those of php-fpm', async (t) => {
  const tsfpm = await start(t);
  const [parts] = await tsfpm.getJson<[Record<string, string>[]]>('variables.php', {
    params: { REMOTE_USER: 'sent' },
  });
  const [server, env, all] = parts;
  for (const part of [server, env, all]) {
    assert.equal(part?.SCRIPT_NAME, '/variables.php');
    assert.deepEqual([part?.GREETING, part?.REMOTE_USER, part?.FCGI_ROLE], ['hello', 'sent', 'RESPONDER']);
  }
  const functions = await tsfpm.get('functions.php');
  assert.match(
    functions,
    /^apache_request_headers yes getallheaders yes apache_response_headers no apache_child_terminate no fastcgi_finish_request yes fpm_get_status yes dl no virtual no/,
  );
  assert.equal(await tsfpm.get('shebang.php'), '#!/usr/bin/env php\nran');
});

test('with php_sapi_name = cgi-fcgi the functions of php-cgi stay', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { php_sapi_name: 'cgi-fcgi' } }, files });
  assert.match(await tsfpm.get('functions.php'), /apache_response_headers yes apache_child_terminate yes/);
});

test('messages reach the web server in php-fpm’s form, and the log', async (t) => {
  const tsfpm = await start(t);
  const { text, stderr } = await tsfpm.request('messages.php');
  assert.equal(text, 'text');
  assert.match(
    stderr,
    /^PHP message: one; PHP message: two\nlines; PHP message: PHP Warning: {2}three in \S+ on line 1$/,
  );
  const warning = 'NOTICE: PHP message: PHP Warning:  three.*';
  for (const line of ['NOTICE: PHP message: one', 'NOTICE: PHP message: two', 'lines', warning, 'plain'])
    await tsfpm.expectLog(new RegExp(`^(?:\\[.*said into stderr: ")?${line}"?$`, 'm'));
  const quiet = await tsfpm.request('messages.php', { params: { PHP_VALUE: 'fastcgi.logging = 0' } });
  assert.equal(quiet.text, 'text');
});

test('what is said after fastcgi_finish_request() goes to the log alone', async (t) => {
  const tsfpm = await start(t);
  const { text, stderr } = await tsfpm.request('after.php');
  assert.deepEqual([text, stderr], ['done', '']);
  await tsfpm.expectLog(/NOTICE: PHP message: said afterwards/);
  await tsfpm.expectLog(/NOTICE: PHP message: PHP Notice: {2}warned afterwards/);
});

test('a message longer than a record is whole, in several', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: POOL },
    files: { 'long.php': '<?php error_log(str_repeat("m", 200000)); echo "fine";' },
  });
  const { text, stderr } = await tsfpm.request('long.php');
  assert.deepEqual([text, stderr], ['fine', `PHP message: ${'m'.repeat(200_000)}`]);
});

test('programs of scripts have a clean environment and only what PHP opened for them', async (t) => {
  const tsfpm = await start(t);
  for (const name of ['program.php', 'open.php']) {
    const text = await tsfpm.get(name);
    const fds = [...text.matchAll(/ ([0-9]+) -> (\S+)/g)].filter(
      // The program's own look at itself, and the script, which PHP keeps open, as under php-fpm.
      ([, , to]) => !to?.startsWith('/proc/') && !to?.startsWith(tsfpm.folder.at('www')),
    );
    assert.deepEqual(fds.map(([, fd]) => Number(fd)).sort(), [0, 1, 2], text);
  }
  assert.doesNotMatch(await tsfpm.get('program.php'), /LD_PRELOAD|TSFPM|PHP_FCGI/);
});
