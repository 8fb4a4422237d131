import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeUnixDiagAnswer, listenQueue, listenQueueFailure } from '../../../src/os/listen-queue.js';
import {
  acceptIpv4Too,
  bindSocket,
  connectSocket,
  listenOnSocket,
  openStreamSocket,
  setReuseAddress,
  socketName,
} from '../../../src/os/socket.js';
import type { SocketAddress } from '../../../src/os/socket-address.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-os-'));
const opened: number[] = [];
after(() => {
  opened.forEach(closeSync);
  rmSync(folder, { recursive: true });
});

function open(family: SocketAddress['family'], isNonBlocking = false): number {
  const fd = openStreamSocket(family, { isNonBlocking });
  opened.push(fd);
  return fd;
}

function listenOn(address: SocketAddress, backlog = 8): number {
  const fd = open(address.family);
  bindSocket(fd, address);
  listenOnSocket(fd, backlog);
  return fd;
}

test('opens sockets that no program inherits', () => {
  const fd = open('ipv4');
  assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /flags:\t0*2000002\n/);
});

test('tells the port that the kernel chose', () => {
  const name = socketName(listenOn({ family: 'ipv4', host: '127.0.0.1', port: 0 }));
  assert.equal(name?.family, 'ipv4');
  assert.ok(name.port > 0);
});

test('serves IPv4 on an IPv6 socket', () => {
  const fd = open('ipv6');
  setReuseAddress(fd);
  acceptIpv4Too(fd);
  bindSocket(fd, { family: 'ipv6', host: '::', port: 0 });
  listenOnSocket(fd, 8);
  const name = socketName(fd);
  assert.equal(name?.family, 'ipv6');
  connectSocket(open('ipv4'), { family: 'ipv4', host: '127.0.0.1', port: name.port });
});

test('names call, address and reason of what failed', () => {
  const address: SocketAddress = { family: 'unix', path: join(folder, 'nobody') };
  assert.throws(() => connectSocket(open('unix'), address), {
    name: 'SystemError',
    code: 'ENOENT',
    errno: 2,
    syscall: 'connect',
    address: address.path,
    reason: 'No such file or directory',
    suffix: ': No such file or directory (2)',
  });
  assert.throws(() => bindSocket(open('unix'), { family: 'unix', path: '/proc/x' }), { syscall: 'bind' });
  assert.throws(() => socketName(0x7fff), { code: 'EBADF' });
});

for (const address of [
  { family: 'ipv4', host: '127.0.0.1', port: 0 },
  { family: 'unix', path: join(folder, 'queue') },
] as const) {
  test(`counts the connections that wait on ${address.family}`, async () => {
    const fd = listenOn(address, 5);
    assert.deepEqual(listenQueue(fd), { length: 0, limit: 5 });
    const target = socketName(fd);
    assert.ok(target);
    const sockets = [1, 2, 3].map(() =>
      target.family === 'unix' ? connect(target.path) : connect(target.port, target.host),
    );
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    assert.deepEqual(listenQueue(fd), { length: 3, limit: 5 });
    for (const socket of sockets) socket.destroy();
  });
}

test('a full unix queue answers a non-blocking connect with EAGAIN', () => {
  const address: SocketAddress = { family: 'unix', path: join(folder, 'full') };
  listenOn(address, 0);
  connectSocket(open('unix', true), address);
  assert.throws(() => connectSocket(open('unix', true), address), { code: 'EAGAIN' });
});

test('a refused question about a queue tells why', () => {
  const answer = Buffer.alloc(36);
  answer.writeUInt32LE(36, 0);
  answer.writeUInt16LE(2, 4); // NLMSG_ERROR
  answer.writeUInt32LE(7, 8);
  answer.writeInt32LE(-2, 16);
  assert.deepEqual(decodeUnixDiagAnswer(answer), { sequence: 7, queue: undefined, errno: 2 });
});

test('this machine tells the queues of all sockets', () => {
  for (const family of ['unix', 'ipv4', 'ipv6'] as const) assert.equal(listenQueueFailure(family), undefined);
});

test('a queue answer cut anywhere is no queue', () => {
  const answer = Buffer.alloc(44);
  answer.writeUInt32LE(44, 0);
  answer.writeUInt16LE(20, 4);
  answer.writeUInt32LE(7, 8);
  answer.writeUInt16LE(12, 32);
  answer.writeUInt16LE(4, 34);
  answer.writeUInt32LE(2, 36);
  answer.writeUInt32LE(9, 40);
  assert.deepEqual(decodeUnixDiagAnswer(answer), { sequence: 7, queue: { length: 2, limit: 9 } });
  for (let cut = 0; cut < answer.length; cut++)
    assert.equal(decodeUnixDiagAnswer(answer.subarray(0, cut))?.queue, undefined);
});
