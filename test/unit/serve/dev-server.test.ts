import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
  request,
} from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type DevServer, startDevServer } from '../../../src/serve/dev-server.js';
import { type Exchange, startFakeBackend } from './fake-backend.js';

const MIB = 1024 * 1024;
const TIMEOUT = { timeout: 20_000 };

let dir: string;
let server: DevServer;
let stopBackend: (() => Promise<void>) | undefined;
let log: string[] = [];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tsfpm-serve-'));
  const root = join(dir, 'root');
  await mkdir(join(root, 'sub', 'deep'), { recursive: true });
  await mkdir(join(root, 'page'));
  await mkdir(join(root, 'empty'));
  await mkdir(join(root, '.git'));
  await writeFile(join(root, 'index.php'), '<?php secret');
  await writeFile(join(root, 'sub', 'index.php'), '<?php secret');
  await writeFile(join(root, 'sub', 'a b.php'), '<?php secret');
  await writeFile(join(root, 'page', 'index.html'), '<p>page');
  await writeFile(join(root, 'style.css'), 'body{}');
  await writeFile(join(root, 'ä.txt'), 'umlaut');
  await writeFile(join(root, 'odd.name.xyz'), '0123456789');
  await writeFile(join(root, 'empty.txt'), '');
  await writeFile(join(root, '.env'), 'secret');
  await writeFile(join(root, '.git', 'config'), 'secret');
  await writeFile(join(dir, 'outside.txt'), 'secret');
  await writeFile(join(dir, 'outside.php'), 'secret');
  await symlink('../outside.txt', join(root, 'link.txt'));
  await symlink('../outside.php', join(root, 'link.php'));
  await symlink('..', join(root, 'up'));
  await symlink('style.css', join(root, 'inside.css'));
  await utimes(join(root, 'style.css'), 1_700_000_000.5, 1_700_000_000.5);
  server = await startDevServer({
    docroot: root,
    port: 0,
    backend: { path: join(dir, 'php.sock') },
    log: (line) => log.push(line),
    maxUnsizedBodyBytes: MIB,
  });
});

after(async () => {
  await server.close();
  await rm(dir, { recursive: true });
});

afterEach(async () => {
  await stopBackend?.();
  stopBackend = undefined;
  log = [];
});

async function php(handle: (exchange: Exchange) => Promise<void> | void): Promise<void> {
  stopBackend = await startFakeBackend(join(dir, 'php.sock'), handle);
}

/** Answers with the params asked for, one a line. */
async function phpShows(...names: string[]): Promise<void> {
  await php(async (exchange) => {
    const lines = names.map((name) => `${name}=${exchange.params.get(name) ?? '(none)'}`);
    await exchange.stdout(`Content-Type: text/plain\r\n\r\n${lines.join('\n')}`);
    exchange.end();
  });
}

interface Answer {
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A path exactly as given: no client here that tidies it. */
async function get(path: string, options: RequestOptions = {}, body?: Uint8Array | string): Promise<Answer> {
  const response = await begin(path, options, body);
  const chunks: Buffer[] = await response.toArray();
  const { statusCode: status, statusMessage: reason, headers } = response;
  return { status, reason, headers, body: Buffer.concat(chunks).toString() };
}

async function begin(path: string, options: RequestOptions = {}, body?: Uint8Array | string) {
  const { hostname, port } = new URL(server.url);
  const sent = request({ hostname, port, path, agent: false, ...options });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

/** Waits for a log line: that of a request comes after its answer. */
function logged(pattern: RegExp): Promise<void> {
  return until(() => log.some((line) => pattern.test(line)), `no ${pattern} in the log`);
}

async function until(holds: () => boolean | Promise<boolean>, complaint: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `${complaint}; log: ${JSON.stringify(log)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** How many descriptors of this process lead to a file of this name. */
async function openFiles(name: string): Promise<number> {
  const fds = await readdir('/proc/self/fd');
  const paths = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return paths.filter((path) => path.endsWith(`/${name}`)).length;
}

describe('dev server: static files', TIMEOUT, () => {
  it('sends a file with its type, length and date', async () => {
    const { status, headers, body } = await get('/style.css?v=2');
    assert.equal(status, 200);
    assert.equal(body, 'body{}');
    assert.equal(headers['content-type'], 'text/css; charset=utf-8');
    assert.equal(headers['content-length'], '6');
    assert.equal(headers['last-modified'], 'Tue, 14 Nov 2023 22:13:20 GMT');
    await logged(/^GET \/style\.css\?v=2 200 \d+ ms$/);
  });

  it('sends the head alone for HEAD', async () => {
    const { status, headers, body } = await get('/style.css', { method: 'HEAD' });
    assert.deepEqual([status, headers['content-length'], body], [200, '6', '']);
  });

  const conditions: [since: string, status: number][] = [
    ['Tue, 14 Nov 2023 22:13:20 GMT', 304],
    ['Tue, 14 Nov 2023 22:13:21 GMT', 304],
    ['Tue, 14 Nov 2023 22:13:19 GMT', 200],
    ['yesterday', 200],
  ];
  for (const [since, status] of conditions) {
    it(`answers If-Modified-Since: ${since} with ${status}`, async () => {
      const answer = await get('/style.css', { headers: { 'If-Modified-Since': since } });
      assert.deepEqual([answer.status, answer.body], [status, status === 304 ? '' : 'body{}']);
    });
  }

  const ranges: [range: string, status: number, body: string, contentRange: string | undefined][] = [
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=-0', 416, '', 'bytes */10'],
    ['bytes=4-2', 200, '0123456789', undefined],
    ['bytes=-', 200, '0123456789', undefined],
    ['bytes=0-1,4-5', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ];
  for (const [range, status, body, contentRange] of ranges) {
    it(`answers Range: ${range} with ${status}`, async () => {
      const answer = await get('/odd.name.xyz', { headers: { Range: range } });
      assert.equal(answer.status, status);
      assert.equal(answer.headers['content-range'], contentRange);
      if (status !== 416) {
        assert.equal(answer.body, body);
        assert.equal(answer.headers['content-type'], 'application/octet-stream');
      }
    });
  }

  it('sends the whole file for a range of an older one', async () => {
    const headers = { Range: 'bytes=0-1', 'If-Range': 'Tue, 14 Nov 2023 22:13:19 GMT' };
    assert.deepEqual((await get('/style.css', { headers })).body, 'body{}');
  });

  const found: [path: string, body: string][] = [
    ['/page/', '<p>page'],
    ['/page/index.html', '<p>page'],
    ['//page//./index.html', '<p>page'],
    ['/%73tyle.css', 'body{}'],
    ['/%C3%A4.txt', 'umlaut'],
    ['/inside.css', 'body{}'],
    ['/empty.txt', ''],
  ];
  for (const [path, body] of found) {
    it(`finds ${JSON.stringify(path)}`, async () => {
      const answer = await get(path);
      assert.deepEqual([answer.status, answer.body], [200, body]);
    });
  }

  const redirects: [path: string, location: string][] = [
    ['/page', '/page/'],
    ['/sub?a=1&b=/x', '/sub/?a=1&b=/x'],
    ['//page', '/page/'],
  ];
  for (const [path, location] of redirects) {
    it(`redirects ${path} to ${location}`, async () => {
      const answer = await get(path);
      assert.deepEqual([answer.status, answer.headers.location], [301, location]);
    });
  }

  it('survives a client that leaves in the middle of a file', async () => {
    await writeFile(join(dir, 'root', 'large.bin'), Buffer.alloc(8 * MIB));
    const openBefore = await openFiles('large.bin');
    const response = await begin('/large.bin');
    response.destroy();
    await logged(/^GET \/large\.bin 499 \d+ ms$/);
    await until(async () => (await openFiles('large.bin')) === openBefore, 'large.bin is still open');
  });

  it('refuses to write to a file', async () => {
    const answer = await get('/style.css', { method: 'POST' }, 'x=1');
    assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD']);
  });

  it('refuses an address that cannot be decoded', async () => {
    for (const path of ['/%', '/%zz', '/%ff']) assert.equal((await get(path)).status, 400, path);
  });
});

describe('dev server: what must not be reached', TIMEOUT, () => {
  const paths = [
    '/../outside.txt',
    '/%2e%2e/outside.txt',
    '/page/../../outside.txt',
    '/page/..%2f..%2foutside.txt',
    '/..%2foutside.php',
    '/index.php/../style.css',
    '/style.css%00.txt',
    '/%00',
    '/link.txt',
    '/link.php',
    '/up/outside.txt',
    '/up/root/style.css',
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/.git/',
    '/nowhere/.hidden/x',
    '/style.css/',
    '/style.css/more.txt',
    '/missing.css',
    '/missing.php',
    '/missing.php/x.txt',
    '/empty/',
    '/empty',
  ];
  for (const path of paths) {
    it(`answers ${path} with 404, without asking PHP`, async () => {
      await php((exchange) => void exchange.socket.destroy());
      const answer = await get(path);
      assert.equal(answer.status, 404);
      assert.match(answer.body, /<h1>404 Not Found<\/h1>/);
      assert.doesNotMatch(answer.body, /secret/);
    });
  }

  it('escapes the address in its page', async () => {
    const answer = await get("/<script>'.css");
    assert.equal(answer.status, 404);
    assert.doesNotMatch(answer.body, /<script>/);
  });

  it('fails to start where there is no folder', async () => {
    const options = { port: 0, backend: { path: '/nowhere' }, log: () => {} };
    await assert.rejects(startDevServer({ docroot: join(dir, 'none'), ...options }), { code: 'ENOENT' });
    await assert.rejects(startDevServer({ docroot: join(dir, 'outside.txt'), ...options }), {
      code: 'ENOTDIR',
    });
  });
});

describe('dev server: PHP', TIMEOUT, () => {
  const where: [path: string, scriptName: string, pathInfo: string][] = [
    ['/', '/index.php', '(none)'],
    ['/index.php', '/index.php', '(none)'],
    ['/index.php?x=/y.php/z', '/index.php', '(none)'],
    ['/index.php/', '/index.php', '/'],
    ['/index.php/x/.y/z.txt', '/index.php', '/x/.y/z.txt'],
    ['/sub/', '/sub/index.php', '(none)'],
    ['/sub/a%20b.php/p%2520q', '/sub/a b.php', '/p%20q'],
    ['/blog/2024/hello', '/index.php', '/blog/2024/hello'],
    ['/sub/deep/er/', '/index.php', '/sub/deep/er/'],
  ];
  for (const [path, scriptName, pathInfo] of where) {
    it(`runs ${scriptName} with PATH_INFO ${pathInfo} for ${path}`, async () => {
      await phpShows('SCRIPT_NAME', 'PATH_INFO', 'SCRIPT_FILENAME', 'REQUEST_URI');
      assert.deepEqual((await get(path)).body.split('\n'), [
        `SCRIPT_NAME=${scriptName}`,
        `PATH_INFO=${pathInfo}`,
        `SCRIPT_FILENAME=${join(dir, 'root')}${scriptName}`,
        `REQUEST_URI=${path}`,
      ]);
    });
  }

  it('sends the params that nginx sends', async () => {
    let params = new Map<string, string>();
    await php(async (exchange) => {
      params = exchange.params;
      await exchange.stdout('\r\n');
      exchange.end();
    });
    const headers = {
      'Content-Type': 'text/plain',
      'Content-Length': 2,
      'X-Two-Words': 'b\xe4r',
      X_Two_Words: 'spoofed',
      Proxy: 'http://evil.example',
      Cookie: ['a=1', 'b=2'],
      Host: 'app.localhost:8080',
    };
    await get('/index.php/i?q=1&r=%20?', { method: 'POST', headers }, Buffer.from('ab'));
    const { port } = new URL(server.url);
    assert.match(params.get('REMOTE_PORT') ?? '', /^\d+$/);
    params.delete('REMOTE_PORT');
    assert.deepEqual(Object.fromEntries(params), {
      SCRIPT_FILENAME: join(dir, 'root', 'index.php'),
      QUERY_STRING: 'q=1&r=%20?',
      REQUEST_METHOD: 'POST',
      CONTENT_TYPE: 'text/plain',
      CONTENT_LENGTH: '2',
      SCRIPT_NAME: '/index.php',
      PATH_INFO: '/i',
      REQUEST_URI: '/index.php/i?q=1&r=%20?',
      DOCUMENT_URI: '/index.php/i',
      DOCUMENT_ROOT: join(dir, 'root'),
      SERVER_PROTOCOL: 'HTTP/1.1',
      REQUEST_SCHEME: 'http',
      GATEWAY_INTERFACE: 'CGI/1.1',
      SERVER_SOFTWARE: 'tsfpm',
      REMOTE_ADDR: '127.0.0.1',
      SERVER_ADDR: '127.0.0.1',
      SERVER_PORT: port,
      SERVER_NAME: '127.0.0.1',
      REDIRECT_STATUS: '200',
      HTTP_X_TWO_WORDS: 'b\ufffdr',
      HTTP_COOKIE: 'a=1; b=2',
      HTTP_HOST: 'app.localhost:8080',
      HTTP_CONNECTION: 'close',
    });
  });

  it('passes status, reason and repeated headers on, and none that frame the message', async () => {
    await php(async (exchange) => {
      await exchange.stdout(
        'Status: 404 Nope\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nTransfer-Encoding: gzip\r\nUpgrade: h2c\r\nX-Name: ü\r\n\r\nbody',
      );
      exchange.end();
    });
    const { status, reason, headers, body } = await get('/');
    assert.deepEqual([status, reason, body], [404, 'Nope', 'body']);
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(headers['transfer-encoding'], 'chunked');
    assert.equal(headers.upgrade, undefined);
    assert.equal(Buffer.from(String(headers['x-name']), 'latin1').toString(), 'ü');
    await logged(/^GET \/ 404 \d+ ms$/);
  });

  it('sends no body for HEAD, though PHP sent one, and keeps its Content-Length', async () => {
    await php(async (exchange) => {
      assert.equal(exchange.params.get('REQUEST_METHOD'), 'HEAD');
      await exchange.stdout('Content-Length: 5\r\n\r\nhello');
      exchange.end();
    });
    const { status, headers, body } = await get('/', { method: 'HEAD' });
    assert.deepEqual([status, headers['content-length'], body], [200, '5', '']);
  });

  it('cuts a body at its Content-Length', async () => {
    await php(async (exchange) => {
      await exchange.stdout('Content-Length: 5\r\n\r\nhe');
      await exchange.stdout('lloHTTP/1.1 200 OK');
      exchange.end();
    });
    assert.equal((await get('/')).body, 'hello');
  });

  it('cuts the connection where the body is shorter than its Content-Length', async () => {
    await php(async (exchange) => {
      await exchange.stdout('Content-Length: 50\r\n\r\nhello');
      exchange.end();
    });
    await assert.rejects(get('/'), { code: 'ECONNRESET' });
    await logged(/45 bytes shorter than its Content-Length/);
  });

  it('shows a flushed header and each piece before the rest is there', async () => {
    const steps = new EventEmitter();
    await php(async (exchange) => {
      await exchange.stdout('Content-Type: text/event-stream\r\nX-Name: ü\r\n\r\n');
      await once(steps, 'header seen');
      await exchange.stdout('one');
      await once(steps, 'one seen');
      exchange.end();
    });
    const response = await begin('/');
    assert.equal(Buffer.from(String(response.headers['x-name']), 'latin1').toString(), 'ü');
    steps.emit('header seen');
    const [piece] = await once(response, 'data');
    assert.equal(String(piece), 'one');
    steps.emit('one seen');
    await once(response, 'end');
  });

  it('logs what PHP writes to its error stream, a line each, without control characters', async () => {
    await php(async (exchange) => {
      await exchange.stderr('PHP Warning:  a');
      await exchange.stderr('b\nsecond \x1b[31m\r\n\n');
      await exchange.stdout('\r\n');
      await exchange.stderr('last');
      exchange.end();
    });
    await get('/');
    await logged(/^GET/);
    assert.deepEqual(log.slice(0, -1), ['PHP Warning:  ab', 'second \\x1b[31m', 'last']);
  });
});

describe('dev server: PHP that fails', TIMEOUT, () => {
  it('answers 502 and names the socket where nobody listens', async () => {
    const { status, body } = await get('/');
    assert.equal(status, 502);
    assert.match(body, /502 Bad Gateway/);
    assert.match(body, /php\.sock cannot be reached: connect ENOENT .* Is the pool running\?/);
    await logged(/cannot be reached/);
    await logged(/^GET \/ 502 \d+ ms$/);
  });

  it('answers 502 to an upload too, and takes the next request on the same connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      assert.equal((await get('/', { agent, method: 'POST' }, Buffer.alloc(4 * MIB))).status, 502);
      assert.equal((await get('/style.css', { agent })).status, 200);
    } finally {
      agent.destroy();
    }
  });

  const failures: [promise: string, act: (exchange: Exchange) => Promise<void> | void, reason: RegExp][] = [
    ['is closed at once', (x) => void x.socket.end(), /closed before the response header was whole/],
    [
      'is closed inside its header',
      async (x) => {
        await x.stdout('Content-Type: te');
        x.socket.end();
      },
      /closed before the response header was whole/,
    ],
    ['ends without a header', (x) => x.end(), /the response is empty/],
    [
      'speaks something else',
      (x) => void x.socket.end('HTTP/1.1 200 OK\r\n\r\n'),
      /expected FastCGI version 1, got 72/,
    ],
    ['sends no header', async (x) => x.stdout('Fatal error\r\n\r\n'), /not a response header/],
    [
      'sends an endless header',
      async (x) => x.stdout(`A: ${'x'.repeat(100_000)}`),
      /larger than 65536 bytes/,
    ],
    ['sends a status that is no end', async (x) => x.stdout('Status: 100\r\n\r\n'), /status 100 cannot end/],
    [
      'is overloaded',
      (x) => void x.socket.end(Buffer.from([1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0])),
      /refused with FCGI_OVERLOADED/,
    ],
    [
      'answers another request',
      (x) => void x.socket.end(Buffer.from([1, 6, 0, 2, 0, 1, 0, 0, 10])),
      /an answer to request 2/,
    ],
  ];
  for (const [promise, act, reason] of failures) {
    it(`answers 502 where it ${promise}`, async () => {
      await php(act);
      const { status, body } = await get('/');
      assert.equal(status, 502);
      assert.match(body, reason);
    });
  }

  it('answers or cuts the connection, whatever bytes come, and lives on', async () => {
    const stdout = Buffer.from([1, 6, 0, 1, 0, 6, 0, 0, ...Buffer.from('A: b\n\n')]);
    const piece = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(stdout));
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
        await php((exchange) => void exchange.socket.end(Buffer.concat(pieces)));
        const answer = await get('/').catch((err: NodeJS.ErrnoException) => err.code);
        assert.ok(answer === 'ECONNRESET' || (typeof answer === 'object' && answer.status === 502));
        await stopBackend?.();
      }),
      { numRuns: 40 },
    );
    stopBackend = undefined;
    assert.equal((await get('/style.css')).status, 200);
  });

  it('cuts the connection where PHP ends in the body', async () => {
    await php(async (exchange) => {
      await exchange.stdout('\r\nhalf');
      exchange.socket.end();
    });
    await assert.rejects(get('/'), { code: 'ECONNRESET' });
    await logged(/closed before the end of the response/);
  });

  it('ends the connection to PHP when the client leaves, whatever is going on', async () => {
    const acts: ((exchange: Exchange) => Promise<void> | void)[] = [
      () => {},
      (exchange) => exchange.stdout('\r\nhalf'),
      async (exchange) => {
        for (;;) await exchange.stdout(Buffer.alloc(MIB, '\n'));
      },
    ];
    for (const act of acts) {
      let reached = (_: Exchange): void => {};
      const exchange = new Promise<Exchange>((resolve) => {
        reached = resolve;
      });
      await php((begun) => {
        reached(begun);
        return act(begun);
      });
      const client = connect(Number(new URL(server.url).port), '127.0.0.1');
      client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\npart');
      const { socket } = await exchange;
      const closed = new Promise((resolve) => socket.once('close', resolve));
      client.destroy();
      await closed;
      await logged(/^POST \/ 499 \d+ ms$/);
      await stopBackend?.();
      log = [];
    }
    stopBackend = undefined;
  });
});

describe('dev server: bodies', TIMEOUT, () => {
  it('passes an upload on as it is', async () => {
    await php(async (exchange) => {
      const body = await exchange.readBody();
      await exchange.stdout(`\r\n${exchange.params.get('CONTENT_LENGTH')} ${body.toString('hex')}`);
      exchange.end();
    });
    const sent = Buffer.from([0, 1, 2, 13, 10, 255]);
    assert.equal((await get('/', { method: 'PUT' }, sent)).body, `6 ${sent.toString('hex')}`);
  });

  it('counts a chunked body before PHP gets it', async () => {
    await php(async (exchange) => {
      const body = await exchange.readBody();
      await exchange.stdout(`\r\n${exchange.params.get('CONTENT_LENGTH')} ${body.length}`);
      exchange.end();
    });
    const options = { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } };
    assert.equal((await get('/', options, Buffer.alloc(MIB))).body, `${MIB} ${MIB}`);
    assert.equal((await get('/', options)).body, '0 0');
  });

  it('answers 411 to a chunked body that is too long to be held', async () => {
    await php((exchange) => void exchange.socket.destroy());
    const options = { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } };
    const { status, body } = await get('/', options, Buffer.alloc(MIB + 1));
    assert.equal(status, 411);
    assert.match(body, /above 1048576 bytes must be sent with a Content-Length/);
  });

  it('gives an answer that comes before the body has been read', async () => {
    await php(async (exchange) => {
      await exchange.stdout('Status: 413\r\n\r\ntoo much');
      exchange.end();
    });
    const agent = new Agent({ keepAlive: true });
    try {
      const answer = await get('/', { agent, method: 'POST' }, Buffer.alloc(4 * MIB));
      assert.deepEqual([answer.status, answer.body], [413, 'too much']);
    } finally {
      agent.destroy();
    }
  });

  it('streams 64 MiB down at the speed of the client', async () => {
    const piece = Buffer.alloc(256 * 1024, 'x');
    let sentBytes = 0;
    await php(async (exchange) => {
      await exchange.stdout('\r\n');
      for (; sentBytes < 64 * MIB; sentBytes += piece.length) await exchange.stdout(piece);
      exchange.end();
    });
    const response = await begin('/');
    await settled(() => sentBytes);
    assert.ok(sentBytes < 16 * MIB, `${sentBytes} bytes left PHP for a client that does not read`);
    const before = process.memoryUsage().rss;
    let peak = before;
    let got = 0;
    for await (const chunk of response) {
      got += chunk.length;
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    assert.equal(got, 64 * MIB);
    assert.ok(peak - before < 48 * MIB, `grew by ${peak - before} bytes`);
  });

  it('streams 64 MiB up at the speed of PHP', async () => {
    let startReading = (): void => {};
    const mayRead = new Promise<void>((resolve) => {
      startReading = resolve;
    });
    await php(async (exchange) => {
      await mayRead;
      let got = 0;
      for await (const chunk of exchange.stdin) {
        got += chunk.length;
      }
      await exchange.stdout(`\r\n${got}`);
      exchange.end();
    });
    const { hostname, port } = new URL(server.url);
    const upload = request({
      hostname,
      port,
      agent: false,
      method: 'POST',
      headers: { 'Content-Length': 64 * MIB },
    });
    const answered = once(upload, 'response');
    const piece = Buffer.alloc(256 * 1024, 'x');
    let sentBytes = 0;
    const sending = (async () => {
      for (; sentBytes < 64 * MIB; sentBytes += piece.length) {
        if (!upload.write(piece)) await once(upload, 'drain');
      }
      upload.end();
    })();
    await settled(() => sentBytes);
    assert.ok(sentBytes < 16 * MIB, `${sentBytes} bytes taken for a PHP that does not read`);
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 2);
    startReading();
    const [response] = (await answered) as [IncomingMessage];
    await sending;
    clearInterval(watch);
    assert.equal(Buffer.concat(await response.toArray()).toString(), String(64 * MIB));
    assert.ok(peak - before < 48 * MIB, `grew by ${peak - before} bytes`);
  });
});

/** Waits until a number above 0 stands still for 200 ms. */
async function settled(read: () => number): Promise<void> {
  for (let last = -1; read() !== last || last === 0; ) {
    last = read();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
