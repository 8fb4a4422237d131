import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { acceptWaiting } from '../../../src/os/accept.js';
import { setNonBlocking } from '../../../src/os/descriptor.js';
import { hasClientLeft } from '../../../src/os/poll.js';
import { queuedClients, queuedClientsFailure } from '../../../src/os/queued-clients.js';
import {
  bindSocket,
  connectSocket,
  listenOnSocket,
  openStreamSocket,
  socketName,
} from '../../../src/os/socket.js';
import type { SocketAddress } from '../../../src/os/socket-address.js';
import type { Fd } from '../../../src/units.js';
import { until } from '../../helpers/wait.js';

const KINDS = ['unix', 'ipv4', 'ipv6'] as const;

function listenAt(t: TestContext, kind: (typeof KINDS)[number], backlog = 100): [Fd, SocketAddress] {
  const folder = mkdtempSync('/tmp/tsfpm-test-queue-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const fd = openStreamSocket(kind);
  t.after(() => closeSync(fd));
  const host = kind === 'ipv4' ? '127.0.0.1' : '::1';
  bindSocket(
    fd,
    kind === 'unix' ? { family: kind, path: join(folder, 's') } : { family: kind, host, port: 0 },
  );
  listenOnSocket(fd, backlog);
  const address = socketName(fd);
  assert.ok(address);
  return [fd, address];
}

function client(t: TestContext, address: SocketAddress): Promise<Socket> {
  const where =
    address.family === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ ...where, allowHalfOpen: true })
      .once('connect', () => resolve(socket))
      .on('error', reject);
    t.after(() => socket.destroy());
  });
}

const waiting = (fd: Fd) => queuedClients(fd)?.clients ?? [];

for (const kind of KINDS)
  test(`who waits at a ${kind} socket is told from all others, as long as it waits`, async (t) => {
    assert.equal(queuedClientsFailure(kind), undefined);
    const [fd, address] = listenAt(t, kind);
    assert.deepEqual(waiting(fd), []);
    await client(t, address);
    const [first] = waiting(fd);
    assert.ok(first);
    await client(t, address);
    await client(t, address);
    const all = waiting(fd);
    assert.equal(new Set(all).size, 3);
    assert.ok(all.includes(first));
    assert.deepEqual(new Set(waiting(fd)), new Set(all));
    for (const { fd: accepted } of acceptWaiting(fd, 1)) closeSync(accepted);
    const rest = waiting(fd);
    assert.equal(rest.length, 2);
    assert.ok(!rest.includes(first), 'the oldest is accepted first');
    assert.equal(queuedClients(fd)?.isOldestFirst, kind === 'unix');
    if (kind === 'unix') assert.deepEqual(rest, all.slice(1));
  });

test('clients of another address at the same port are not among them', async (t) => {
  const [fd, address] = listenAt(t, 'ipv4');
  assert.ok(address.family === 'ipv4');
  const other = openStreamSocket('ipv4');
  t.after(() => closeSync(other));
  bindSocket(other, { ...address, host: '127.0.0.2' });
  listenOnSocket(other, 10);
  await client(t, { ...address, host: '127.0.0.2' });
  assert.deepEqual([waiting(fd).length, waiting(other).length], [0, 1]);
});

test('one that has left keeps its place in a unix queue, and can be told', async (t) => {
  const [fd, address] = listenAt(t, 'unix');
  const first = await client(t, address);
  await client(t, address);
  first.destroy();
  await until('it has left', () => waiting(fd)[0] === undefined);
  assert.equal(waiting(fd).length, 2);
});

test('a queue is told however long it is', (t) => {
  const [fd, address] = listenAt(t, 'unix', 3000);
  const clients: Fd[] = [];
  t.after(() => clients.forEach((each) => void closeSync(each)));
  for (const length of [900, 1500, 3000]) {
    while (clients.length < length) {
      const each = openStreamSocket('unix');
      clients.push(each);
      connectSocket(each, address);
    }
    assert.equal(new Set(waiting(fd)).size, length);
  }
});

for (const kind of KINDS)
  test(`accepting from a ${kind} socket never waits, and leaves the socket as it was`, async (t) => {
    const [fd, address] = listenAt(t, kind);
    assert.deepEqual(acceptWaiting(fd, 5), []);
    for (let i = 0; i < 3; i++) await client(t, address);
    const two = acceptWaiting(fd, 2);
    const one = acceptWaiting(fd, 5);
    for (const accepted of [...two, ...one]) closeSync(accepted.fd);
    assert.deepEqual([two.length, one.length], [2, 1]);
    assert.equal(one[0]?.address?.family, kind);
    assert.equal(setNonBlocking(fd, true), false, 'others who accept would still wait');
    acceptWaiting(fd, 5);
    assert.equal(setNonBlocking(fd, true), true, 'what it was before stays');
  });

for (const kind of KINDS)
  test(`a client that has left is known by its ${kind} connection`, async (t) => {
    const [fd, address] = listenAt(t, kind);
    const there = await client(t, address);
    const halfThere = await client(t, address);
    const gone = await client(t, address);
    there.write('a request');
    halfThere.end('a request');
    gone.write('a request');
    await new Promise((resolve) => gone.write('', resolve));
    gone.destroy();
    const accepted = acceptWaiting(fd, 3);
    t.after(() => accepted.forEach((each) => void closeSync(each.fd)));
    const left = () => accepted.map((each) => hasClientLeft(each.fd, kind === 'unix'));
    // By TCP one that only stops sending cannot be told from one that has left.
    await until('it is seen', () => left().join() === `false,${kind !== 'unix'},true`);
  });
