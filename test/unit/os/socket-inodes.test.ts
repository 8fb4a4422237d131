import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  connectionsOf,
  socketInode,
  socketsOf,
  tcpConnections,
  unixConnections,
} from '../../../src/os/socket-inodes.js';

const fdOf = (it: Server | Socket) => (it as unknown as { _handle: { fd: number } })._handle.fd;

async function assertFound(t: TestContext, options: ListenOptions) {
  const server = createServer().listen(options);
  t.after(() => server.close());
  await once(server, 'listening');
  const accepted: Socket[] = [];
  server.on('connection', (socket) => accepted.push(socket));
  const listening = socketInode(fdOf(server));
  assert.deepEqual([...connectionsOf(listening)], []);
  const address = server.address();
  const client = typeof address === 'string' ? connect(address) : connect(address?.port ?? 0, '127.0.0.1');
  t.after(() => client.destroy());
  await once(server, 'connection');
  const inode = socketInode(fdOf(accepted[0] as Socket));
  assert.deepEqual([...connectionsOf(listening)], [inode], 'neither the listener nor the client');
  const own = socketsOf(process.pid);
  for (const it of [inode, listening, socketInode(fdOf(client))]) assert.ok(own.includes(it));
}

test('connections of a Unix socket are found', async (t) => {
  const folder = mkdtempSync('/tmp/tsfpm-test-inodes-');
  t.after(() => rmSync(folder, { recursive: true }));
  await assertFound(t, { path: `${folder}/a socket` });
});

test('those of an abstract one, too', (t) => assertFound(t, { path: `\0tsfpm-test-${process.pid}` }));

test('and of TCP sockets, with one address or all', async (t) => {
  await assertFound(t, { port: 0, host: '127.0.0.1' });
  await assertFound(t, { port: 0, host: '0.0.0.0' });
  await assertFound(t, { port: 0, host: '::' });
});

test('of a process that is gone there are none, nor of a socket that is in no table', () => {
  assert.deepEqual(socketsOf(2 ** 30), []);
  assert.equal(unixConnections('', 1), undefined);
  assert.equal(tcpConnections('', 1), undefined);
  assert.equal(connectionsOf(1).size, 0);
});
