import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ControlServerOptions, startControlServer } from '../../../src/control/server.js';
import type { ControlResult } from '../../../src/control/target.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { until } from '../../helpers/wait.js';
import { DONE, fakeTarget } from './fake-target.js';

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-control-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function serve(t: TestContext, options: Partial<ControlServerOptions> = {}) {
  const path = options.path ?? join(scratch(t), 'c');
  const log = new FakeLog();
  const target = fakeTarget();
  const server = await startControlServer({ path, target, log, ...options });
  t.after(() => server.close());
  return { path, log, target, server };
}

async function connected(path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.on('error', () => {}); // a reset is one of the ways to be closed
  await once(socket, 'connect', { signal: AbortSignal.timeout(5000) });
  return socket;
}

/** All that comes until the other side closes. */
async function untilClosed(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.once('end', () => socket.end());
  await once(socket, 'close', { signal: AbortSignal.timeout(5000) });
  return Buffer.concat(chunks).toString();
}

async function ask(path: string, text: string | Buffer): Promise<unknown[]> {
  const socket = await connected(path);
  socket.write(text);
  const answer = await untilClosed(socket);
  return answer
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const RELOAD = '{"verb":"reload"}\n';
const refusal = (reason: string) => [
  { result: { ok: false, exitCode: 64, lines: [`not understood: ${reason}`] } },
];

test('answers over a socket of mode 0600, tells the log who asked, and removes the socket', async (t) => {
  const { path, log, target, server } = await serve(t);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(await ask(path, RELOAD), [{ result: DONE }]);
  assert.deepEqual(await ask(path, '{"verb":"stop","kind":"kill"}\n'), [{ result: DONE }]);
  assert.deepEqual(target.asked, ['reload', 'stop kill']);
  assert.equal(log.lines[0], `control: reload asked for by uid ${process.geteuid?.()}, pid ${process.pid}`);
  await Promise.all([server.close(), server.close()]);
  assert.equal(existsSync(path), false);
});

test('tells how it goes on, then how it ended', async (t) => {
  const target = fakeTarget({
    reload: async (tell) => {
      tell('reading');
      tell('starting');
      return { ok: false, exitCode: 1, lines: ['refused'] };
    },
  });
  const { path } = await serve(t, { target });
  assert.deepEqual(await ask(path, RELOAD), [
    { line: 'reading' },
    { line: 'starting' },
    { result: { ok: false, exitCode: 1, lines: ['refused'] } },
  ]);
});

test('a method that fails is an answer and a line in the log, and the next one is served', async (t) => {
  const target = fakeTarget({
    test: async () => {
      throw new Error('no file');
    },
  });
  const { path, log } = await serve(t, { target });
  assert.deepEqual(await ask(path, '{"verb":"test"}\n'), [
    { result: { ok: false, exitCode: 70, lines: ['test failed: no file'] } },
  ]);
  assert.equal(log.lines.at(-1), 'control: test failed: no file');
  assert.deepEqual(await ask(path, RELOAD), [{ result: DONE }]);
});

const HOSTILE: readonly [what: string, bytes: string | Buffer, reason: string][] = [
  ['garbage', Buffer.from([0xff, 0xfe, 0, 10]), 'no JSON'],
  ['another protocol', 'GET / HTTP/1.1\r\n\r\n', 'no JSON'],
  ['a verb that is a method of objects', '{"verb":"toString"}\n', 'no such verb'],
  ['a line without an end', 'x'.repeat(5000), 'a line of more than 4096 bytes'],
  ['far more than is read', 'x'.repeat(3_000_000), 'a line of more than 4096 bytes'],
  ['deep nesting', `${'['.repeat(4000)}\n`, 'no JSON'],
];

for (const [what, bytes, reason] of HOSTILE) {
  test(`${what} is refused and asks nothing of the master`, async (t) => {
    const { path, target } = await serve(t);
    assert.deepEqual(await ask(path, bytes), refusal(reason));
    assert.deepEqual(target.asked, []);
    assert.deepEqual(await ask(path, RELOAD), [{ result: DONE }]);
  });
}

test('only the first request of a connection counts', async (t) => {
  const { path, target } = await serve(t);
  assert.deepEqual(await ask(path, RELOAD + RELOAD), [{ result: DONE }]);
  assert.deepEqual(target.asked, ['reload']);
});

test('a peer may close its direction behind the request', async (t) => {
  const { path } = await serve(t);
  const socket = await connected(path);
  socket.end(RELOAD);
  assert.equal(await untilClosed(socket), `${JSON.stringify({ result: DONE })}\n`);
});

for (const [what, bytes] of [
  ['nothing', ''],
  ['half a request', '{"verb":'],
] as const) {
  test(`a peer that says ${what} is closed in time`, async (t) => {
    const { path } = await serve(t, { limits: { requestTimeoutMs: 200 } });
    const socket = await connected(path);
    socket.write(bytes);
    assert.equal(await untilClosed(socket), '');
  });

  test(`a peer that says ${what} and ends is closed at once`, async (t) => {
    const { path } = await serve(t);
    const socket = await connected(path);
    socket.end(bytes);
    assert.equal(await untilClosed(socket), '');
  });
}

test('a peer that takes no answer costs no more than the limit, and what it asked for is done', async (t) => {
  let isDone = false;
  const target = fakeTarget({
    reload: async (tell) => {
      for (let line = 0; line < 3000; line += 1) tell('x'.repeat(1000));
      isDone = true;
      return DONE;
    },
  });
  const { path } = await serve(t, { target, limits: { maxPendingBytes: 100_000 } });
  const socket = await connected(path);
  socket.pause();
  socket.write(RELOAD);
  await until('the reload is done', () => isDone);
  const answer = await untilClosed(socket.resume());
  assert.ok(answer.length < 1_500_000);
  assert.doesNotMatch(answer, /"result"/);
});

test('a peer that does not close after its answer is closed', async (t) => {
  const { path } = await serve(t, { limits: { answerTimeoutMs: 200 } });
  const socket = await connected(path);
  socket.write(RELOAD);
  socket.resume();
  await once(socket, 'end', { signal: AbortSignal.timeout(5000) });
  const timer = setInterval(() => socket.write('x'), 20);
  t.after(() => clearInterval(timer));
  await until('it is closed', () => socket.closed, 5000);
});

test('connections past the limit are closed, and there is room again later', async (t) => {
  const { path } = await serve(t, { limits: { maxConnections: 2 } });
  const held = [await connected(path), await connected(path)];
  assert.equal(await untilClosed(await connected(path)), '');
  for (const socket of held) socket.destroy();
  await until('there is room', async () => (await ask(path, RELOAD).catch(() => [])).length === 1);
});

test('what was begun goes on when its peer has gone', async (t) => {
  let finish: (result: ControlResult) => void = () => {};
  let isEnded = false;
  const target = fakeTarget({
    reload: () =>
      new Promise<ControlResult>((resolve) => {
        finish = resolve;
      }).then((result) => {
        isEnded = true;
        return result;
      }),
  });
  const { path, log } = await serve(t, { target });
  const socket = await connected(path);
  socket.write(RELOAD);
  await until('it has begun', () => log.lines.length > 0);
  socket.destroy();
  finish(DONE);
  await until('it has ended', () => isEnded);
  assert.equal(log.lines.length, 1);
  assert.equal((await ask(path, '{"verb":"status"}\n')).length, 1);
});

test('close gives the answer that is due, and ends peers that ask nothing', async (t) => {
  let finish: (result: ControlResult) => void = () => {};
  const target = fakeTarget({
    stop: () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  });
  const { path, server, log } = await serve(t, { target });
  const [asking, silent, stuck] = [await connected(path), await connected(path), await connected(path)];
  asking.write('{"verb":"stop","kind":"finish"}\n');
  await until('it has begun', () => log.lines.length > 0);
  const closing = server.close();
  const answers = Promise.all([untilClosed(asking), untilClosed(silent)]);
  finish(DONE);
  assert.deepEqual(await answers, [`${JSON.stringify({ result: DONE })}\n`, '']);
  stuck.destroy();
  await closing;
});

test('close does not wait for a command that never ends', async (t) => {
  const target = fakeTarget({ upgrade: () => new Promise(() => {}) });
  const { path, server, log } = await serve(t, { target });
  const socket = await connected(path);
  socket.write('{"verb":"upgrade"}\n');
  await until('it has begun', () => log.lines.length > 0);
  await Promise.all([server.close(), untilClosed(socket)]);
});

test("a dead master's socket is replaced, a living one's is not", async (t) => {
  const { path, server } = await serve(t);
  const again = () => startControlServer({ path, target: fakeTarget(), log: new FakeLog() });
  await assert.rejects(again(), {
    code: 'CONTROL',
    message: `unable to listen for commands at '${path}': another master answers there`,
  });
  await server.close();

  // A server that was killed leaves its file.
  const dead = createServer().listen(path);
  await once(dead, 'listening');
  renameSync(path, `${path}.kept`);
  dead.close();
  await once(dead, 'close');
  renameSync(`${path}.kept`, path);
  await serve(t, { path });
  assert.deepEqual(await ask(path, RELOAD), [{ result: DONE }]);
});

test('another file is not removed', async (t) => {
  const path = join(scratch(t), 'c');
  writeFileSync(path, 'mine');
  await assert.rejects(serve(t, { path }), {
    message: `unable to listen for commands at '${path}': the file is there and no socket`,
  });
  assert.equal(readFileSync(path, 'utf8'), 'mine');
});

for (const [what, path, reason] of [
  ['a folder that is not there', '/nowhere/at/all', 'No such file or directory (2)'],
  ['a path that is too long', `/tmp/${'x'.repeat(200)}`, 'File name too long (36)'],
] as const) {
  test(`${what} is an error that says so`, (t) =>
    assert.rejects(serve(t, { path }), {
      code: 'CONTROL',
      message: `unable to listen for commands at '${path}': ${reason}`,
    }));
}

test('the file of a master that came later stays', async (t) => {
  const { path, server } = await serve(t);
  renameSync(path, `${path}.old`);
  await serve(t, { path });
  await server.close();
  assert.equal(existsSync(path), true);
});

const NOBODY = 65_534;
const STRANGER = `
  const socket = require('node:net').connect(process.argv[1]);
  socket.on('connect', () => socket.write('{"verb":"stop","kind":"kill"}\\n'));
  socket.on('data', (data) => process.stdout.write(data));
  socket.on('error', (error) => process.stdout.write(error.code));
`;

/** What another user hears. */
async function askAsNobody(path: string): Promise<string> {
  const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const child = spawn('setpriv', [...ids, process.execPath, '-e', STRANGER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 20_000,
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  return Buffer.concat(chunks).toString();
}

const skip = process.geteuid?.() === 0 ? false : 'needs root, to be somebody else';

test('another user cannot connect, and would be refused if the file let them', { skip }, async (t) => {
  const folder = scratch(t);
  chmodSync(folder, 0o755);
  const { path, log, target } = await serve(t, { path: join(folder, 'c') });
  assert.equal(await askAsNobody(path), 'EACCES');
  chmodSync(path, 0o666);
  assert.match(await askAsNobody(path), /^(?:|ECONNRESET|EPIPE)$/);
  assert.deepEqual(target.asked, []);
  assert.equal(log.lines.length, 1);
  assert.match(
    log.lines[0] ?? '',
    /^control: refused uid 65534, pid [0-9]+; only root and the master's own user may give commands$/,
  );
});

test("the master's own user may ask, where it is not root", { skip }, async (t) => {
  const folder = scratch(t);
  chmodSync(folder, 0o755);
  const { path, target } = await serve(t, { path: join(folder, 'c'), ownUid: NOBODY });
  chmodSync(path, 0o666);
  assert.match(await askAsNobody(path), /"ok":true/);
  assert.deepEqual(target.asked, ['stop kill']);
});

test('strangers do not fill the log', { skip }, async (t) => {
  const folder = scratch(t);
  chmodSync(folder, 0o755);
  const { path, log } = await serve(t, { path: join(folder, 'c') });
  chmodSync(path, 0o666);
  await Promise.all([askAsNobody(path), askAsNobody(path), askAsNobody(path)]);
  assert.ok(log.lines.length < 3, log.lines.join('\n'));
});
