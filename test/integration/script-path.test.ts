import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, startFpm, unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, type FcgiAddress, fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';

/** Everything that a script can see of its request, but the time. */
const files = {
  'v.php': `<?php $server = $_SERVER; unset($server['REQUEST_TIME'], $server['REQUEST_TIME_FLOAT']); ksort($server);
    $getenv = getenv(); ksort($getenv);
    $each = array_map(fn($name) => getenv($name), array_keys($server));
    echo json_encode(['server' => $server, 'getenv' => $getenv, 'each' => $each]);`,
  'p i.php': '<?php echo "blank";',
};

type Params = Readonly<Record<string, string | undefined>>;

/** undefined leaves a param out; `{www}` is the folder with the scripts. */
function complete(tsfpm: Daemon, params: Params): Record<string, string> {
  const all: Params = { ...scriptParams(tsfpm.folder.script('v.php')), ...params };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value.replaceAll('{www}', tsfpm.folder.at('www'))]],
    ),
  );
}

async function seen(address: FcgiAddress, params: Record<string, string>): Promise<Record<string, string>> {
  const { body } = await fcgiRequest(address, { params });
  return JSON.parse(body.toString()).server;
}

interface Example {
  readonly sent: Params;
  /** SCRIPT_FILENAME, SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED */
  readonly seen: readonly (string | undefined)[];
  readonly also?: Params;
}

const EXAMPLES: readonly Example[] = [
  {
    sent: { SCRIPT_FILENAME: '{www}/v.php/pi/x', SCRIPT_NAME: '/v.php/pi/x', PATH_INFO: '/v.php/pi/x' },
    seen: ['{www}/v.php', '/v.php', '/pi/x', '{www}/pi/x'],
  },
  {
    sent: { SCRIPT_FILENAME: '{www}/v.php/pi/x', SCRIPT_NAME: '/v.php/pi/x' },
    seen: ['{www}/v.php', '/v.php/pi/x', undefined, '{www}'],
  },
  {
    sent: { SCRIPT_FILENAME: '{www}/v.php/pi/x', SCRIPT_NAME: '/v.php', PATH_INFO: '/x' },
    seen: ['{www}/v.php', '/v.php', '/x', '{www}/x'],
  },
  {
    sent: { SCRIPT_FILENAME: 'proxy:fcgi://h:9000{www}/v.php/pi?q=1', SCRIPT_NAME: '/v.php/pi' },
    seen: ['{www}/v.php', '/v.php', '/pi', '{www}/pi'],
    also: { ORIG_SCRIPT_FILENAME: '{www}/v.php/pi', ORIG_SCRIPT_NAME: '/v.php/pi', PHP_SELF: '/v.php/pi' },
  },
  {
    sent: { SCRIPT_FILENAME: 'proxy:fcgi://h:9000{www}/v.php/p%20i', SCRIPT_NAME: '/v.php/p i' },
    seen: ['{www}/v.php', '/v.php', '/p%20i', '{www}/p%20i'],
  },
  {
    // A front controller behind Apache: what was asked for first must not decide what runs.
    sent: {
      SCRIPT_FILENAME: 'Proxy:Balancer://cluster{www}/v.php',
      REDIRECT_URL: '/asked',
      PATH_INFO: '/asked',
      PATH_TRANSLATED: '{www}/p i.php',
    },
    seen: ['{www}/v.php', '/v.php', '/asked', '{www}/p i.php'],
    also: { REDIRECT_URL: '/asked', ORIG_PATH_INFO: undefined },
  },
  {
    sent: { SERVER_SOFTWARE: 'Microsoft-IIS/10.0', PATH_INFO: '/v.php/iis' },
    seen: ['{www}/v.php', '/v.php', '/iis', undefined],
    also: { ORIG_PATH_INFO: '/v.php/iis' },
  },
];

test('the script and its path info are found by php-fpm’s rules', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const www = tsfpm.folder.at('www');
  for (const example of EXAMPLES) {
    const server = await seen(tsfpm.address(), complete(tsfpm, example.sent));
    const { SCRIPT_FILENAME, SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED } = server;
    const what = JSON.stringify(example.sent);
    assert.deepEqual(
      [SCRIPT_FILENAME, SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED],
      example.seen.map((value) => value?.replace('{www}', www)),
      what,
    );
    for (const [name, value] of Object.entries(example.also ?? {}))
      assert.equal(server[name], value?.replace('{www}', www), `${name} of ${what}`);
  }
});

const APACHE = 'proxy:fcgi://localhost:9000';
const VARIANTS: Readonly<Record<string, readonly (string | undefined)[]>> = {
  SCRIPT_FILENAME: [
    '{www}/v.php',
    '{www}/v.php/pi/x',
    '{www}/v.php/',
    `${APACHE}{www}/v.php`,
    `${APACHE}{www}/v.php/a%20b/x?q=/y`,
    `${APACHE}{www}/missing.php/x`,
    'proxy:balancer://b',
    'proxy:unix:/run/x.sock|fcgi://h{www}/v.php',
    undefined,
  ],
  SCRIPT_NAME: ['/v.php', '/v.php/a b/x', undefined],
  PATH_INFO: [undefined, '', '/x', '/v.php/pi/x', '/a%20b/x'],
  PATH_TRANSLATED: [undefined, '{www}/v.php/pi/x', '{www}/elsewhere'],
  REDIRECT_URL: [undefined, '/redirected'],
  DOCUMENT_ROOT: ['{www}/', undefined],
};

function* product(names: readonly string[]): Generator<Params> {
  const [name, ...rest] = names;
  if (name === undefined) return yield {};
  for (const params of product(rest))
    for (const value of VARIANTS[name] ?? []) yield { ...params, [name]: value };
}

test('whatever the web server sends, scripts see what php-fpm shows them', {
  skip: unlessPhpFpm,
}, async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const fpm = await startFpm(t, tsfpm);
  const all = [...product(Object.keys(VARIANTS))];
  // Every fifth: all pairs of values are among them.
  const some = [...all.filter((_, i) => i % 5 === 0), ...EXAMPLES.map(({ sent }) => sent)];
  for (const sent of some) {
    const params = complete(tsfpm, sent);
    const [theirs, ours] = [await answer(fpm, params), await answer(tsfpm.address(), params)];
    // What php-fpm cuts in place keeps its old length in getenv(): remains of it show behind a NUL.
    const body = theirs.body.replace(/\\u0000[^"]*/g, '');
    assert.deepEqual(ours, { ...theirs, body }, JSON.stringify(sent));
  }
  assert.ok(some.length > 300);
});

test('PATH_INFO that is shorter than what is cut off does no harm, request after request', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const [pid] = tsfpm.workers();
  const long = 'x'.repeat(3000);
  for (const PATH_INFO of ['', '/', '/x'])
    for (const tail of ['/y/z', `/${long}`, '//']) {
      const sent = { SCRIPT_FILENAME: `{www}/v.php${tail}`, PATH_INFO };
      const server = await seen(tsfpm.address(), complete(tsfpm, sent));
      if (PATH_INFO.length < tail.length) assert.equal(server.PATH_INFO, PATH_INFO);
      assert.equal(server.ORIG_SCRIPT_FILENAME, `${tsfpm.folder.script('v.php')}${tail}`);
    }
  assert.deepEqual(tsfpm.workers(), [pid]);
});

test('a head in many records and pieces is rewritten, on a connection that is kept', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const connection = await FastcgiConnection.open(tsfpm.address());
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`HTTP_H${i}`, 'v'.repeat(5000)]));
  for (let i = 0; i < 3; i++) {
    const sent = {
      ...many,
      SCRIPT_FILENAME: `${APACHE}{www}/v.php/kept${i}`,
      SCRIPT_NAME: `/v.php/kept${i}`,
    };
    const { body } = await connection.request({ params: complete(tsfpm, sent), keepConn: true });
    const { server } = JSON.parse(body.toString());
    assert.deepEqual([server.PATH_INFO, server.HTTP_H39], [`/kept${i}`, 'v'.repeat(5000)]);
  }
  connection.close();
});

test('params beyond four megabytes are refused, and the worker serves the next client', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const many = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`HTTP_H${i}`, 'v'.repeat(50_000)]));
  await assert.rejects(fcgiRequest(tsfpm.address(), { params: complete(tsfpm, many) }), /connection closed/);
  await tsfpm.expectLog(/ERROR: a request's params are more than 4194304 bytes; its connection is closed/);
  assert.equal((await seen(tsfpm.address(), complete(tsfpm, {}))).SCRIPT_NAME, '/v.php');
});
