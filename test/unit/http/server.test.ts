import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HttpServer, type HttpServerLimits, startHttpServer } from '../../../src/http/server.js';
import type { HttpSource } from '../../../src/http/source.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { until } from '../../helpers/wait.js';
import { HOSTILE_POOL, METRICS, POOL, poolMetrics } from '../status/sample.js';
import { fakeSource, READY } from './fake-source.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-http-'));
const servers: HttpServer[] = [];

after(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(folder, { recursive: true, force: true });
});

/** Nobody else on this machine should take it in the next moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function open(options: Partial<Parameters<typeof startHttpServer>[0]> = {}) {
  const port = await freePort();
  const log = new FakeLog();
  const server = await startHttpServer({
    listen: `127.0.0.1:${port}`,
    source: fakeSource(),
    log,
    ...options,
  });
  servers.push(server);
  return { server, log, port };
}

async function ask(options: RequestOptions) {
  const request = httpRequest({ agent: false, timeout: 5000, ...options });
  request.end();
  const [response] = await once(request, 'response', { signal: AbortSignal.timeout(5000) });
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

async function connected(options: NetConnectOpts): Promise<Socket> {
  const socket = connect(options);
  socket.on('error', () => {
    // A reset is one of the ways to be closed.
  });
  await once(socket, 'connect', { signal: AbortSignal.timeout(5000) });
  return socket;
}

async function closedWithin(socket: Socket, timeoutMs: number): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close', { signal: AbortSignal.timeout(timeoutMs) });
  return Buffer.concat(chunks).toString();
}

test('serves its pages over TCP', async () => {
  const { server, port } = await open();
  assert.equal(server.address, `127.0.0.1:${port}`);
  const metrics = await ask({ port, host: '127.0.0.1', path: '/metrics' });
  assert.equal(metrics.status, 200);
  assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(metrics.body, /^tsfpm_config_last_reload_success_timestamp_seconds .*\n$/m);
  const head = await ask({ port, host: '127.0.0.1', path: '/metrics', method: 'HEAD' });
  assert.deepEqual([head.body, head.headers['content-length']], ['', metrics.headers['content-length']]);
  assert.equal((await ask({ port, host: '127.0.0.1', path: '/nothing' })).status, 404);
  assert.equal((await ask({ port, host: '127.0.0.1', path: '/status', method: 'DELETE' })).status, 405);
});

test('serves a unix socket of mode 0660, replaces a stale one and removes its own', async () => {
  const path = join(folder, 'http.sock');
  const first = await startHttpServer({ listen: path, source: fakeSource(), log: new FakeLog() });
  assert.equal(statSync(path).mode & 0o777, 0o660);
  assert.equal((await ask({ socketPath: path, path: '/health' })).body, 'ok\n');
  await assert.rejects(startHttpServer({ listen: path, source: fakeSource(), log: new FakeLog() }), {
    code: 'LISTEN',
  });
  await first.close();
  assert.equal(existsSync(path), false);

  // A server that was killed leaves its file.
  const stale = createServer().listen(path);
  await once(stale, 'listening');
  renameSync(path, `${path}.kept`);
  stale.close();
  await once(stale, 'close');
  renameSync(`${path}.kept`, path);
  const { server } = await open({ listen: path });
  assert.equal(server.address, path);
  assert.equal((await ask({ socketPath: path, path: '/ready' })).body, `${READY.reason}\n`);
});

test('an address that is taken or is none is an error', async () => {
  const { port } = await open();
  const options = { source: fakeSource(), log: new FakeLog() };
  await assert.rejects(startHttpServer({ listen: `127.0.0.1:${port}`, ...options }), { code: 'LISTEN' });
  await assert.rejects(startHttpServer({ listen: '127.0.0.1:99999', ...options }), { code: 'LISTEN' });
});

test('a source that throws is a 500 and a line in the log, and the next request is served', async () => {
  const source = {
    ...fakeSource(),
    metrics() {
      throw new Error('no scoreboard');
    },
  };
  const { port, log } = await open({ source });
  assert.equal((await ask({ port, host: '127.0.0.1', path: '/metrics' })).status, 500);
  assert.equal(log.lines.at(-1), 'http.listen: no answer to GET "/metrics": Error: no scoreboard');
  assert.equal((await ask({ port, host: '127.0.0.1', path: '/health' })).status, 200);
});

test('a long page is made in turns with other work', async () => {
  const makers: Partial<HttpSource> = {
    pools: () => slowly([POOL, HOSTILE_POOL]),
    metrics: () => ({ ...METRICS, pools: slowly(METRICS.pools) }),
  };
  const order: string[] = [];
  function* slowly<Item>(items: readonly Item[]): Generator<Item> {
    setImmediate(() => order.push('other work'));
    const endsAtMs = performance.now() + 10;
    while (performance.now() < endsAtMs);
    yield* items;
    order.push('end of the page');
  }
  const { port } = await open({ source: { ...fakeSource(), ...makers } });
  for (const path of ['/metrics', '/status']) {
    assert.equal((await ask({ port, host: '127.0.0.1', path })).status, 200);
    assert.deepEqual(order.splice(0), ['other work', 'end of the page']);
  }
});

test('a client that is stuck is closed, whatever it waits for', async () => {
  const limits: HttpServerLimits = { requestTimeoutMs: 300, idleTimeoutMs: 400, answerTimeoutMs: 300 };
  const { port } = await open({ limits });
  const opening: Record<string, string> = {
    silent: '',
    'half a line': 'GET /hea',
    'half a header': 'GET /health HTTP/1.1\r\nHost: localhost\r\nX-',
    'no body': 'POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n',
    'idle after its answer': 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n',
  };
  await Promise.all(
    Object.entries(opening).map(async ([what, bytes]) => {
      const socket = await connected({ port, host: '127.0.0.1' });
      socket.write(bytes);
      await assert.doesNotReject(closedWithin(socket, 5000), what);
    }),
  );
});

test('a client that does not take its answer is closed', async () => {
  // More than the kernel would hold for it.
  const huge = { ...METRICS, pools: [poolMetrics({ ...POOL, name: 'x'.repeat(500_000) })] };
  let isAsked = false;
  const metrics = () => {
    isAsked = true;
    return huge;
  };
  const source = { ...fakeSource(), metrics };
  const { port } = await open({ source, limits: { answerTimeoutMs: 300 } });
  const socket = await connected({ port, host: '127.0.0.1' });
  socket.pause();
  socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until('the page is asked for', () => isAsked);
  // In this process too: what follows waits until it is rendered.
  await sleep(1500);
  const closed = closedWithin(socket, 30_000);
  socket.resume();
  assert.doesNotMatch(await closed, /^tsfpm_config_last_reload_success_timestamp_seconds .*\n$/m);
});

test('headers past the limit are refused', async () => {
  const { port } = await open();
  const socket = await connected({ port, host: '127.0.0.1' });
  socket.write(`GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(9000)}\r\n\r\n`);
  assert.match(await closedWithin(socket, 5000), /^HTTP\/1\.1 431 /);
});

test('past the limit the oldest silent connection gives way, and a new one is served', async () => {
  const { port } = await open({ limits: { maxConnections: 2 } });
  const oldest = await connected({ port, host: '127.0.0.1' });
  const younger = await connected({ port, host: '127.0.0.1' });
  const closed = closedWithin(oldest, 5000);
  assert.equal((await ask({ port, host: '127.0.0.1', path: '/health' })).status, 200);
  await closed;
  younger.write('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  assert.match(await closedWithin(younger, 5000), /^HTTP\/1\.1 200 /);
});

test('a name that nobody has given it is refused, before anything is looked up', async () => {
  const source = {
    ...fakeSource(),
    pools() {
      throw new Error('asked all the same');
    },
  };
  const { server, log, port } = await open({ source, hosts: ['metrics.example.org'] });
  const asked = async (Host: string, path = '/health') => {
    const { status, body } = await ask({ port, host: '127.0.0.1', path, headers: { Host } });
    return { status, body };
  };
  assert.equal((await asked(`127.0.0.1:${port}`)).status, 200);
  assert.equal((await asked('metrics.example.org')).status, 200);
  const refused = await asked(`rebound.example:${port}`, '/status');
  assert.equal(refused.status, 421);
  assert.match(refused.body, /'rebound\.example' .* http\.hosts\.\n$/);
  assert.ok(!log.lines.some((line) => line.includes('no answer')));
  server.setHosts(['rebound.example']);
  assert.deepEqual(
    [(await asked('rebound.example')).status, (await asked('metrics.example.org')).status],
    [200, 421],
  );
  // HTTP/1.0, as simple tools speak it.
  const old = await connected({ port, host: '127.0.0.1' });
  old.write('GET /health HTTP/1.0\r\n\r\n');
  assert.match(await closedWithin(old, 5000), /^HTTP\/1\.1 200 /);
});

test('close ends idle connections at once and may be called twice', async () => {
  const { server, port } = await open();
  const socket = await connected({ port, host: '127.0.0.1' });
  socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'data');
  const closed = closedWithin(socket, 5000);
  await Promise.all([server.close(), server.close(), closed]);
  await assert.rejects(connected({ port, host: '127.0.0.1' }));
});
