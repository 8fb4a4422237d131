import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { acceptWaiting } from '../../../src/os/accept.js';
import { bindSocket, listenOnSocket, openStreamSocket } from '../../../src/os/socket.js';
import { refusal } from '../../../src/overload/refusal.js';
import { turnAway } from '../../../src/overload/turned-away.js';
import { requestBytes } from '../../helpers/request-bytes.js';
import { until } from '../../helpers/wait.js';

const REQUEST = requestBytes({ params: { SCRIPT_NAME: '/x.php', REQUEST_METHOD: 'POST' }, requestId: 3 });
const HEAD_BYTES = REQUEST.length - 8; // less the empty body

interface Client {
  readonly socket: Socket;
  readonly received: () => string;
  readonly hasEnded: () => boolean;
}

/** Clients whom one after the other the master turns away. */
function scene(t: TestContext) {
  const folder = mkdtempSync('/tmp/tsfpm-test-away-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 's');
  const listenFd = openStreamSocket('unix');
  t.after(() => closeSync(listenFd));
  bindSocket(listenFd, { family: 'unix', path });
  listenOnSocket(listenFd, 1000);
  const seen = { asked: [] as (string | undefined)[], gone: 0 };
  const client = async (bytes: Uint8Array, leave: (socket: Socket) => void = () => {}): Promise<Client> => {
    const socket = connect({ path, allowHalfOpen: true });
    t.after(() => socket.destroy());
    let [received, hasEnded] = ['', false];
    socket
      .on('data', (chunk) => {
        received += chunk;
      })
      .on('close', () => {
        hasEnded = true;
      })
      .on('end', () => socket.end())
      .on('error', () => {});
    await new Promise((resolve) => socket.write(bytes, resolve));
    leave(socket);
    const accepted = await until('it is there', () => acceptWaiting(listenFd, 1)[0]);
    turnAway(accepted, {
      pageFor: (request) => {
        seen.asked.push(request?.params.get('SCRIPT_NAME'));
        return refusal(1);
      },
      onGone: () => seen.gone++,
    });
    return { socket, received: () => received, hasEnded: () => hasEnded };
  };
  return { client, seen };
}

test('a request is answered once, and its connection closed', async (t) => {
  const { client, seen } = scene(t);
  const { received, hasEnded } = await client(Buffer.concat([REQUEST, REQUEST]));
  await until('it is closed', hasEnded);
  assert.equal(received().split('503 Service Unavailable:').length, 2);
  assert.deepEqual(seen, { asked: ['/x.php'], gone: 0 });
});

test('a head of which no more comes is answered if the request is known', async (t) => {
  const { client, seen } = scene(t);
  const waits = await client(REQUEST.subarray(0, HEAD_BYTES - 4));
  const ends = await client(REQUEST.subarray(0, 16), (socket) => socket.end());
  const silent = await client(REQUEST.subarray(0, 15));
  await until('all are closed', () => waits.hasEnded() && ends.hasEnded() && silent.hasEnded());
  assert.deepEqual(
    [waits, ends, silent].map(({ received }) => received().includes('Retry-After')),
    [true, true, false],
  );
  assert.deepEqual(seen, { asked: [undefined, undefined], gone: 1 });
});

test('a client that has left is asked nothing', async (t) => {
  const { client, seen } = scene(t);
  await client(REQUEST, (socket) => socket.destroy());
  await until('it is seen', () => seen.gone === 1);
  assert.deepEqual(seen.asked, []);
});

test('a client that goes on sending has its answer, and sees the end of the connection', async (t) => {
  const { client } = scene(t);
  const { socket, received, hasEnded } = await client(REQUEST.subarray(0, HEAD_BYTES));
  const chunk = Buffer.alloc(65_536);
  const send = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', send);
  send();
  await until('it is closed', hasEnded);
  assert.match(received(), /Retry-After: 1/);
});

test('silent clients, however many, make room for those that ask', async (t) => {
  const { client, seen } = scene(t);
  const silent: Client[] = [];
  for (let i = 0; i < 300; i++) silent.push(await client(Buffer.of(1)));
  const { received } = await client(REQUEST);
  await until('it is answered', () => received().includes('Retry-After'));
  await until('all others are gone', () => silent.every(({ hasEnded }) => hasEnded()));
  assert.deepEqual(seen, { asked: ['/x.php'], gone: 300 });
});
