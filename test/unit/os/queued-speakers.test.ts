import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { queuedUpToLastSpeaker } from '../../../src/os/queued-speakers.js';
import { bindSocket, listenOnSocket, openStreamSocket, socketName } from '../../../src/os/socket.js';
import { until } from '../../helpers/wait.js';

const connected = (where: string | { host: string; port: number }): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const client: Socket = (typeof where === 'string' ? connect(where) : connect(where))
      .once('connect', () => resolve(client))
      .on('error', reject);
  });

test('a unix queue tells how far back the last client stands that has sent something', async (t) => {
  const folder = mkdtempSync('/tmp/tsfpm-test-queue-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 's');
  const fd = openStreamSocket('unix');
  t.after(() => closeSync(fd));
  bindSocket(fd, { family: 'unix', path });
  listenOnSocket(fd, 100);
  assert.equal(queuedUpToLastSpeaker(fd), 0);
  const clients: Socket[] = [];
  for (let i = 0; i < 80; i++) clients.push(await connected(path));
  t.after(() => clients.forEach((client) => void client.destroy()));
  // Only so many at the end are looked at.
  assert.equal(queuedUpToLastSpeaker(fd), 16);
  clients[19]?.write('x');
  await until('it is seen', () => queuedUpToLastSpeaker(fd) === 20);
  clients[39]?.write('x');
  await until('it is seen', () => queuedUpToLastSpeaker(fd) === 40);
  // In front of it.
  clients[0]?.destroy();
  await until('it has left', () => queuedUpToLastSpeaker(fd) === 39);
  clients[39]?.destroy();
  await until('the one before counts', () => queuedUpToLastSpeaker(fd) === 19);
});

for (const family of ['ipv4', 'ipv6'] as const)
  test(`a TCP queue tells whether anybody in it has sent something, ${family}`, async (t) => {
    const fd = openStreamSocket(family);
    t.after(() => closeSync(fd));
    const host = family === 'ipv4' ? '127.0.0.1' : '::1';
    bindSocket(fd, { family, host, port: 0 });
    listenOnSocket(fd, 100);
    const address = socketName(fd);
    assert.ok(address !== undefined && address.family !== 'unix');
    const clients: Socket[] = [];
    t.after(() => clients.forEach((client) => void client.destroy()));
    for (let i = 0; i < 30; i++) clients.push(await connected({ host, port: address.port }));
    assert.equal(queuedUpToLastSpeaker(fd), 0);
    // Some leave at once, as a scan does.
    for (const client of clients.splice(0, 10)) client.end();
    assert.equal(queuedUpToLastSpeaker(fd), 0);
    clients[3]?.write('x');
    await until('it is seen', () => queuedUpToLastSpeaker(fd) === 20);
  });
