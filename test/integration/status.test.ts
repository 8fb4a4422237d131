import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, type FcgiAddress } from '../helpers/fastcgi-client.js';
import { tellsMemoryPeak } from '../helpers/php-programs.js';
import { PID_PHP } from '../helpers/probes.js';
import { requestBytes } from '../helpers/request-bytes.js';
import {
  rawAnswer,
  readAnswer,
  statusJson,
  statusParams,
  statusRequest,
  type WorkerJson,
} from '../helpers/status-page.js';
import { startTwoPools } from '../helpers/two-pools.js';
import { sleep, until } from '../helpers/wait.js';
import { parseOpenMetrics } from '../unit/status/openmetrics-parser.js';

const files = { 'pid.php': PID_PHP };
const PAGES = { 'pm.status_path': '/status', 'ping.path': '/ping', 'ping.response': '"here I am"' };
const pools = { www: PAGES };

const NO_CACHE =
  'Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\nCache-Control: no-cache, no-store, must-revalidate, max-age=0\r\n';

for (const [query, type, body] of [
  [
    '',
    'Content-type: text/plain;charset=UTF-8',
    /^pool: {17}www\nprocess manager: {6}static\n[\s\S]*slow requests: {8}0\n(?:memory peak: {10}[0-9]+\n)?$/,
  ],
  [
    'full',
    'Content-type: text/plain;charset=UTF-8',
    /\n\*{24}\npid: {18}[0-9]+\n[\s\S]*last request memory: {2}[0-9]+\n/,
  ],
  [
    'html',
    'Content-type: text/html;charset=UTF-8',
    /<title>PHP-FPM Status Page<\/title>[\s\S]*<\/body><\/html>$/,
  ],
  [
    'xml',
    'Content-type: text/xml;charset=UTF-8',
    /^<\?xml version="1\.0" \?>\n<status>\n<pool>www<\/pool>[\s\S]*<\/status>$/,
  ],
  [
    'json',
    'Content-Type: application/json',
    /^\{"pool":"www",[\s\S]*"slow requests":0(?:,"memory peak":[0-9]+)?\}$/,
  ],
  [
    'openmetrics',
    'Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8',
    /^# HELP phpfpm_up Could pool www using a static PM on PHP-FPM be reached\?\n[\s\S]*# EOF\n$/,
  ],
] as const)
  test(`the pool's own socket answers the status page: ?${query}`, async (t) => {
    const tsfpm = await startTsfpm(t, { pools: { www: { ...PAGES, 'php_flag[expose_php]': 'off' } }, files });
    const text = (await rawAnswer(tsfpm.address(), statusParams(tsfpm, { query }))).toString();
    await tsfpm.settle();
    const split = text.indexOf('\r\n\r\n');
    assert.equal(text.slice(0, split + 2), `${NO_CACHE}${type}\r\n`);
    assert.match(text.slice(split + 4), body);
  });

test('X-Powered-By is there where PHP would send it', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...PAGES, 'php_flag[expose_php]': 'on' } },
    files,
  });
  for (const path of ['/status', '/ping']) {
    const { headers } = await statusRequest(tsfpm, { path });
    assert.match(headers.get('x-powered-by') ?? '', /^PHP\/[78]\./);
  }
  await tsfpm.settle();
});

test('HEAD gets the headers alone, POST what GET gets, whatever its body', async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files });
  const address = tsfpm.address();
  const head = await rawAnswer(address, statusParams(tsfpm, { params: { REQUEST_METHOD: 'HEAD' } }));
  await tsfpm.settle();
  assert.match(
    head.toString(),
    /^(?:X-Powered-By: .*\r\n)?Expires: [\s\S]*\r\nContent-type: text\/html; charset=UTF-8\r\n\r\n$/,
  );
  for (const length of [0, 10, 70_000, 3_000_000]) {
    const params = statusParams(tsfpm, {
      query: 'json',
      params: { REQUEST_METHOD: 'POST', CONTENT_LENGTH: String(length) },
    });
    const answer = await rawAnswer(address, params, Buffer.alloc(length, 'x'));
    assert.match(answer.toString(), /"pool":"www"/);
    await tsfpm.get('pid.php');
  }
});

test('a page is chosen by the exact SCRIPT_NAME, and needs a method and a script as under php-fpm', async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files });
  for (const path of ['/Status', '/status/', '/statu', '/status/x', '/pingu', ''])
    assert.equal((await statusRequest(tsfpm, { path })).status, 404, path);
  const { text } = await statusRequest(tsfpm, {
    path: '/pid.php',
    params: { REQUEST_URI: '/status', SCRIPT_FILENAME: tsfpm.folder.script('pid.php') },
  });
  assert.match(text, /^[0-9]+$/);
  const { SCRIPT_FILENAME: _, ...params } = statusParams(tsfpm);
  assert.match((await rawAnswer(tsfpm.address(), params)).toString(), /^Status: 404/m);
  const translated = await rawAnswer(tsfpm.address(), { ...params, PATH_TRANSLATED: '/anything' });
  await tsfpm.settle();
  assert.match(translated.toString(), /pool: {17}www/);
});

test('ping answers ping.response to the byte, and only the header to HEAD', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: PAGES, plain: { 'ping.path': '/ping' } },
    files,
  });
  const answer = await rawAnswer(tsfpm.address(), statusParams(tsfpm, { path: '/ping' }));
  assert.match(
    answer.toString(),
    /^(?:X-Powered-By: .*\r\n)?Content-type: text\/plain;charset=UTF-8\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\nCache-Control: .*\r\n\r\nhere I am$/,
  );
  const head = await rawAnswer(
    tsfpm.address(),
    statusParams(tsfpm, { path: '/ping', params: { REQUEST_METHOD: 'HEAD' } }),
  );
  assert.match(head.toString(), /\r\n\r\n$/);
  assert.equal((await statusRequest(tsfpm, { path: '/ping', address: tsfpm.address('plain') })).text, 'pong');
  // That pool has no status page.
  assert.equal((await statusRequest(tsfpm, { address: tsfpm.address('plain') })).status, 404);
});

/** Reads an answer that comes whatever the request's bytes were cut into. */
async function sendInPieces(
  address: FcgiAddress,
  pieces: readonly Buffer[],
  pauseMs: number,
): Promise<string> {
  const connection = await FastcgiConnection.open(address);
  try {
    for (const piece of pieces) {
      connection.send(piece);
      if (pauseMs > 0) await sleep(pauseMs);
      else await new Promise(setImmediate);
    }
    return (await readAnswer(connection)).stdout.toString();
  } finally {
    connection.close();
  }
}

test('a request for a page is known however its bytes arrive', async (t) => {
  const tsfpm = await startTwoPools(t, {}, PAGES);
  await statusRequest(tsfpm);
  await tsfpm.settle();
  const bytes = requestBytes({ params: statusParams(tsfpm, { query: 'json' }) });
  for (const pool of ['unix', 'tcp']) {
    const address = tsfpm.address(pool);
    const single = Array.from(bytes, (byte) => Buffer.of(byte));
    assert.match(await sendInPieces(address, single, 0), new RegExp(`"pool":"${pool}"`));
    for (let cut = 1; cut < bytes.length; cut += 41) {
      const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
      assert.match(await sendInPieces(address, pieces, 2), /"pool":/, `cut at ${cut}`);
    }
  }
});

test('pages and scripts alternate on one kept connection', async (t) => {
  const tsfpm = await startTwoPools(t, files, PAGES);
  for (const pool of ['unix', 'tcp']) {
    const connection = await FastcgiConnection.open(tsfpm.address(pool));
    const pid = tsfpm.workers(pool)[0];
    for (let i = 0; i < 10; i++) {
      const page = await connection.request({
        params: statusParams(tsfpm, { query: 'json&full' }),
        keepConn: true,
      });
      const status = JSON.parse(page.body.toString());
      assert.equal(status['accepted conn'], 3 * i + 1);
      assert.equal(status.processes[0]['request uri'], '/status?json&full');
      const ping = await connection.request({
        params: statusParams(tsfpm, { path: '/ping' }),
        keepConn: true,
      });
      assert.equal(ping.body.toString(), 'here I am');
      const script = await connection.request({
        params: statusParams(tsfpm, {
          path: '/pid.php',
          params: { SCRIPT_FILENAME: tsfpm.folder.script('pid.php') },
        }),
        keepConn: true,
      });
      assert.equal(script.body.toString(), String(pid));
    }
    connection.close();
  }
  await tsfpm.settle();
});

test('pages and scripts sent ahead of their answers are answered in order', async (t) => {
  const tsfpm = await startTwoPools(t, files, PAGES);
  const ask = (requestId: number, path: string, file = 'no-such.php', body = '') =>
    requestBytes({
      requestId,
      keepConn: true,
      body: Buffer.from(body),
      params: statusParams(tsfpm, {
        path,
        query: path === '/status' ? 'json' : '',
        params: {
          SCRIPT_FILENAME: tsfpm.folder.script(file),
          ...(body === '' ? {} : { REQUEST_METHOD: 'POST', CONTENT_LENGTH: String(body.length) }),
        },
      }),
    });
  for (const pool of ['unix', 'tcp']) {
    const connection = await FastcgiConnection.open(tsfpm.address(pool));
    connection.send(
      Buffer.concat([
        ask(1, '/status'),
        ask(2, '/pid.php', 'pid.php'),
        ask(3, '/ping', undefined, 'a body that nobody reads'),
        ask(4, '/status', undefined, 'x'.repeat(5000)),
        ask(5, '/pid.php', 'pid.php', 'a body'),
        ask(6, '/ping'),
      ]),
    );
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await readAnswer(connection));
    connection.close();
    assert.deepEqual(
      answers.map(({ requestId }) => requestId),
      [1, 2, 3, 4, 5, 6],
    );
    const bodies = answers.map(({ stdout }) => stdout.toString().replace(/^[\s\S]*?\r\n\r\n/, ''));
    const pid = String(tsfpm.workers(pool)[0]);
    assert.match(bodies[0] ?? '', /"accepted conn":1,/);
    assert.match(bodies[3] ?? '', /"accepted conn":4,/);
    assert.deepEqual([bodies[1], bodies[2], bodies[4], bodies[5]], [pid, 'here I am', pid, 'here I am']);
  }
  await tsfpm.settle();
});

/** What a request may bring into the page: ends of elements and strings, control bytes, half a character, much of it. */
const HOSTILE = {
  quotes: `/a"b'c\\"d\\\\`,
  markup: '/<script>alert(1)</script>]]></status><!--',
  control: `/${Array.from({ length: 32 }, (_, i) => String.fromCharCode(i)).join('')}\u007f`,
  lines: '/a\r\nSet-Cookie: x=y\r\n\r\nbody\n# EOF\nphpfpm_up 0\n',
  bytes: '/\u00ff\u00fe\u0080\u00c3\u00a9\u00e9',
  long: `/${'"<&'.repeat(3000)}`,
} as const;

for (const [name, text] of Object.entries(HOSTILE))
  test(`hostile ${name} in the fields of a request stay harmless in every format`, async (t) => {
    const listen = '{folder}/www-status.sock';
    const tsfpm = await startTsfpm(t, {
      pools: { www: { ...PAGES, 'pm.max_children': 1, 'pm.status_listen': listen } },
      files,
    });
    const address = tsfpm.folder.at('www-status.sock');
    const credentials = Buffer.from(`${text}:secret`, 'latin1').toString('base64');
    // What the worker remembers while it is idle.
    const params: Record<string, string> = {
      SCRIPT_FILENAME: tsfpm.folder.script('pid.php'),
      SCRIPT_NAME: text,
      REQUEST_URI: text,
      QUERY_STRING: text,
      REQUEST_METHOD: 'GET',
      HTTP_AUTHORIZATION: `Basic ${credentials}`,
      CONTENT_LENGTH: '0',
    };
    const connection = await FastcgiConnection.open(tsfpm.address());
    await connection.request({
      params: Object.entries(params).map(([key, value]) => [key, Buffer.from(value, 'latin1')] as const),
    });
    connection.close();
    await until('the worker is idle', async () =>
      /^state: +Idle$/m.test((await statusRequest(tsfpm, { address, query: 'full' })).text),
    );
    for (const from of [address, tsfpm.address()]) {
      const isPool = from !== address;
      const ask = async (query: string) => {
        const page = await statusRequest(tsfpm, {
          address: from,
          query: isPool ? `${query}&${text}` : query,
        });
        // Text is as raw as php-fpm's; the others are UTF-8, whatever came.
        if (query !== 'full') new TextDecoder('utf-8', { fatal: true }).decode(page.body);
        return page;
      };
      const html = (await ask('full&html')).text;
      assert.ok(!html.includes('<script>alert') && !html.includes(`"'`), html);
      assert.equal(
        html.match(/<tr>/g)?.length,
        14 + (tellsMemoryPeak() ? 1 : 0) + 2,
        'no row more than there are',
      );
      const xml = (await ask('full&xml')).text;
      assert.ok(
        !xml.includes('<script>alert') && [...xml].every((char) => char >= ' ' || '\t\r\n'.includes(char)),
        JSON.stringify(xml),
      );
      assert.equal(xml.match(/<\/status>/g)?.length, 1);
      const json = await ask('full&json');
      const workers = JSON.parse(json.text).processes as WorkerJson[];
      assert.equal(workers.length, 1);
      assert.equal(json.headers.get('set-cookie'), null);
      const plain = await ask('full');
      assert.equal(plain.headers.get('set-cookie'), null);
      assert.equal(plain.text.match(/^\*{24}$/gm)?.length, 1);
      assert.equal(plain.text.match(/^request URI: /gm)?.length, 1);
      const metrics = (await ask('openmetrics&full')).text;
      assert.equal(metrics.match(/^# EOF$/gm)?.length, 1);
      assert.equal(metrics.match(/^phpfpm_up /gm)?.length, 1);
      if (!isPool) assert.equal(workers[0]?.state, 'Idle');
    }
    await tsfpm.get('pid.php');
    await tsfpm.settle();
  });

test("the openmetrics page of a pool is OpenMetrics but for php-fpm's names of counters", async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files });
  const { text } = await statusRequest(tsfpm, { query: 'openmetrics' });
  await tsfpm.settle();
  // php-fpm leaves out what the standard demands of a counter's name.
  const mended = text.replace(/^(phpfpm_\w+) /gm, (line, name: string) =>
    text.includes(`# TYPE ${name} counter`) ? `${name}_total ` : line,
  );
  assert.ok(parseOpenMetrics(mended).length >= 12);
});

test('a client that leaves while its page is made, or never reads it, costs one worker at most for a moment', async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files });
  await statusJson(tsfpm);
  await tsfpm.settle();
  for (let i = 0; i < 30; i++) {
    const connection = await FastcgiConnection.open(tsfpm.address());
    connection.send(requestBytes({ params: statusParams(tsfpm, { query: 'full&html' }) }));
    if (i % 2 === 0) await new Promise(setImmediate);
    connection.close();
  }
  const status = await statusJson(tsfpm);
  assert.equal(status['total processes'], 2);
  await tsfpm.get('pid.php');
});
