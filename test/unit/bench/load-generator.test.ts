import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  buildLoadGenerator,
  fetchPage,
  type LoadOptions,
  type LoadResult,
  runLoad,
} from '../../bench/load-generator.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-load-'));
const address = join(folder, 'sock');
const signal = new AbortController().signal;

before(buildLoadGenerator);
after(() => rmSync(folder, { recursive: true }));

function record(type: number, content: Buffer, padding = 0): Buffer {
  const header = Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, padding, 0]);
  return Buffer.concat([header, content, Buffer.alloc(padding)]);
}

const STDOUT = 6;
const page = (text: string) => record(STDOUT, Buffer.from(text), 3);
const end = (appStatus = 0, protocolStatus = 0) =>
  record(3, Buffer.from([0, 0, 0, appStatus, protocolStatus, 0, 0, 0]));
const HELLO = Buffer.concat([
  page('Content-type: text/plain\r\n\r\nhello'),
  record(STDOUT, Buffer.alloc(0)),
  end(),
]);

/** Serves while `act` runs; a request ends with its empty STDIN record. */
async function withServer(answer: (socket: Socket, request: Buffer) => void, act: () => Promise<void>) {
  const server: Server = createServer((socket) => {
    let request = Buffer.alloc(0);
    socket.on('error', () => undefined); // the generator may close first
    socket.on('data', (chunk) => {
      request = Buffer.concat([request, chunk]);
      if (request.subarray(-8).equals(record(5, Buffer.alloc(0)))) {
        const whole = request;
        request = Buffer.alloc(0);
        answer(socket, whole);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(address, resolve));
  try {
    await act();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

const load = (options: Partial<LoadOptions> = {}): Promise<LoadResult> =>
  runLoad({ address, script: '/srv/site/index.php', ...options }, signal);

/** The name-value pairs of a request whose PARAMS are one record. */
function paramsOf(request: Buffer): Map<string, string> {
  const params = new Map<string, string>();
  const length = request.readUInt16BE(16 + 4);
  let at = 16 + 8;
  const stop = at + length;
  const readLength = () => {
    const short = request.readUInt8(at);
    at += short < 128 ? 1 : 4;
    return short < 128 ? short : request.readUInt32BE(at - 4) & 0x7fffffff;
  };
  while (at < stop) {
    const nameLength = readLength();
    const valueLength = readLength();
    const name = request.toString('latin1', at, at + nameLength);
    params.set(name, request.toString('latin1', at + nameLength, at + nameLength + valueLength));
    at += nameLength + valueLength;
  }
  return params;
}

test('a request looks like one of nginx', async () => {
  let request: Buffer = Buffer.alloc(0);
  const answer = (socket: Socket, whole: Buffer) => {
    request = whole;
    socket.write(HELLO);
  };
  const long = 'x'.repeat(200);
  await withServer(answer, async () => {
    await load({ params: { QUERY_STRING: 'a=1', LONG: long }, keepAlive: true });
  });
  const params = paramsOf(request);
  assert.deepEqual(request.subarray(0, 16), Buffer.from([1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]));
  assert.equal(request.length % 8, 0);
  assert.ok(params.size >= 25, `${params.size} parameters`);
  assert.equal(params.get('SCRIPT_FILENAME'), '/srv/site/index.php');
  assert.equal(params.get('DOCUMENT_ROOT'), '/srv/site');
  assert.equal(params.get('QUERY_STRING'), 'a=1');
  assert.equal(params.get('LONG'), long);
});

test('an answer in single bytes counts like any other', async () => {
  const answer = async (socket: Socket) => {
    socket.setNoDelay(true);
    for (const byte of HELLO) {
      socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
  };
  await withServer(answer, async () => {
    const { ok, failed, stdoutBytes } = await load({ requests: 3 });
    assert.deepEqual([ok, failed, stdoutBytes], [3, 0, 3 * 'Content-type: text/plain\r\n\r\nhello'.length]);
    assert.match((await fetchPage({ address, script: '/index.php' }, signal)) ?? '', /\r\n\r\nhello$/);
  });
});

test('connections are kept or closed as asked, and all requests are made', async () => {
  for (const keepAlive of [true, false]) {
    const sockets = new Set<Socket>();
    const answer = (socket: Socket) => {
      sockets.add(socket);
      socket.write(HELLO);
    };
    await withServer(answer, async () => {
      const { ok, failed, reconnects } = await load({ requests: 20, connections: 2, keepAlive });
      assert.deepEqual([ok, failed, reconnects], [20, 0, 0]);
    });
    assert.equal(sockets.size, keepAlive ? 2 : 20);
  }
});

test('a kept connection that the server closes between requests loses nothing', async () => {
  const answer = (socket: Socket) => socket.end(HELLO);
  await withServer(answer, async () => {
    const { ok, failed, reconnects } = await load({ requests: 5, keepAlive: true });
    assert.deepEqual([ok, failed], [5, 0]);
    assert.ok(reconnects >= 4, `${reconnects} reconnects`);
  });
});

const SHORT = page('Status: 200 OK\r\n\r\nhel');
const NOT_FOUND = Buffer.concat([page('Status: 404 Not Found\r\n\r\n'), end()]);
const LATE_STATUS = Buffer.concat([page('X: y\r\nstatus: 500\r\n\r\n'), end()]);
const DIED = Buffer.concat([page('A: b\r\n\r\nhello'), end(255)]);

const FAILURES: [story: string, kind: string, answer: (socket: Socket) => void][] = [
  ['an answer without its end', 'short', (socket) => socket.end(SHORT)],
  ['no answer but a close', 'short', (socket) => socket.end()],
  ['a status of 404', 'status', (socket) => socket.write(NOT_FOUND)],
  ['a status that is not the first header', 'status', (socket) => socket.write(LATE_STATUS)],
  ['a script that exits with 255', 'status', (socket) => socket.write(DIED)],
  ['an overloaded server', 'status', (socket) => socket.write(end(0, 2))],
  ['an answer in HTTP', 'malformed', (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n')],
  ['more than one end', 'malformed', (socket) => socket.write(Buffer.concat([HELLO, end()]))],
  ['silence', 'timeout', () => undefined],
];

for (const [story, kind, answer] of FAILURES) {
  test(`${story} counts as failed: ${kind}`, async () => {
    await withServer(answer, async () => {
      const { ok, failed, failures } = await load({ requests: 2, timeoutMs: 150 });
      assert.deepEqual([ok, failed, failures[kind]], [0, 2, 2]);
    });
  });
}

test('nobody listening fails as refused, without a busy loop', async () => {
  const { ok, failed, failures } = await load({ seconds: 0.1 });
  assert.equal(ok, 0);
  assert.equal(failures.refused, failed);
  assert.ok(failed > 0 && failed < 200, `${failed} tries`);
});

test('TCP is spoken, too', async () => {
  const server = createServer((socket) => socket.on('data', () => socket.write(HELLO)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  try {
    assert.ok(bound !== null && typeof bound === 'object');
    const { ok, failed } = await load({ address: `127.0.0.1:${bound.port}`, requests: 10, connections: 3 });
    assert.deepEqual([ok, failed], [10, 0]);
  } finally {
    server.close();
  }
});
