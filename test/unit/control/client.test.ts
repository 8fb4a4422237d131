import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AskOptions, askMaster } from '../../../src/control/client.js';
import { startControlServer } from '../../../src/control/server.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { until } from '../../helpers/wait.js';
import { DONE, fakeTarget } from './fake-target.js';

function scratchPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-control-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'c');
}

/** A server that is no master of ours. */
async function impostor(t: TestContext, behave: (socket: Socket) => void): Promise<string> {
  const path = scratchPath(t);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {}); // the client goes whenever it likes
    behave(socket);
  }).listen(path);
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return path;
}

const ask = (path: string, options: Partial<AskOptions> = {}) =>
  askMaster({ path, request: { verb: 'reload' }, tell: () => {}, timeoutMs: 5000, ...options });

test('hears how it goes on and how it ended, and who answered', async (t) => {
  const path = scratchPath(t);
  const target = fakeTarget({
    reload: async (tell) => {
      tell('one');
      tell('two');
      return DONE;
    },
  });
  const server = await startControlServer({ path, target, log: new FakeLog() });
  t.after(() => server.close());
  const told: string[] = [];
  const master = { pid: process.pid, uid: process.geteuid?.(), gid: process.getegid?.() };
  assert.deepEqual(await ask(path, { tell: (line) => told.push(line) }), {
    kind: 'answered',
    result: DONE,
    master,
  });
  assert.deepEqual(told, ['one', 'two']);
});

test('nobody there is no master', async (t) => {
  const path = scratchPath(t);
  assert.deepEqual(await ask(path), { kind: 'unavailable', reason: 'No such file or directory' });
  assert.equal((await ask(`${path}/x`.repeat(50))).kind, 'unavailable');
});

const NOBODY = 65_534;
const IMPOSTOR = `
  const server = require('node:net').createServer((socket) => {
    socket.on('data', (data) => process.stdout.write(data));
    socket.on('error', () => {});
  });
  server.listen(process.argv[1], () => process.stdout.write('listening '));
`;
const skip = process.geteuid?.() === 0 ? false : 'needs root, to be somebody else';

test('a server of another user is told nothing', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-control-'));
  chmodSync(folder, 0o777);
  const path = join(folder, 'c');
  const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const child = spawn('setpriv', [...ids, process.execPath, '-e', IMPOSTOR, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  let heard = '';
  child.stdout.on('data', (data) => {
    heard += data;
  });
  await until('the other server listens', () => heard !== '');
  assert.deepEqual(await ask(path), {
    kind: 'unavailable',
    reason: 'uid 65534 listens there, neither root nor you',
  });
  assert.equal(heard, 'listening ');
  // The other user itself may ask it.
  assert.equal((await ask(path, { ownUid: NOBODY, timeoutMs: 300 })).kind, 'timeout');
  assert.match(heard, /reload/);
});

const LOST: readonly [what: string, bytes: string, reason: string][] = [
  ['no answer', '', 'the connection ended'],
  ['half an answer', '{"line":"x"}\n{"resu', 'the connection ended'],
  ['garbage', 'HTTP/1.1 400\r\n\r\n', 'it does not speak as a master does: no JSON'],
  ['something else', '{"x":1}\n', 'it does not speak as a master does: neither a line nor a result'],
];

for (const [what, bytes, reason] of LOST) {
  test(`${what} is no result`, async (t) => {
    const path = await impostor(t, (socket) => socket.once('data', () => socket.end(bytes)));
    const answer = await ask(path);
    assert.deepEqual([answer.kind, 'reason' in answer && answer.reason], ['lost', reason]);
  });
}

test('an answer without an end is given up', async (t) => {
  const path = await impostor(t, (socket) => {
    socket.once('data', () => socket.write('x'.repeat(17_000_000)));
  });
  const answer = await ask(path, { timeoutMs: 20_000 });
  assert.match('reason' in answer ? answer.reason : '', /a line of more than 16777216 bytes$/);
});

test('a master that says nothing is not waited for beyond the time given', async (t) => {
  const path = await impostor(t, (socket) => socket.resume());
  const answer = await ask(path, { timeoutMs: 100 });
  assert.equal(answer.kind, 'timeout');
  assert.equal('master' in answer && answer.master?.pid, process.pid);
});
