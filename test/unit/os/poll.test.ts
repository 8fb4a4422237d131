import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hungUp } from '../../../src/os/poll.js';
import {
  bindSocket,
  connectSocket,
  listenOnSocket,
  openStreamSocket,
  shutDownSocket,
  socketName,
} from '../../../src/os/socket.js';
import type { SocketAddress } from '../../../src/os/socket-address.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-hang-up-'));
after(() => rmSync(folder, { recursive: true }));

const ADDRESSES: readonly SocketAddress[] = [
  { family: 'unix', path: join(folder, 's') },
  { family: 'ipv4', host: '127.0.0.1', port: 0 },
];

for (const address of ADDRESSES)
  test(`a listening ${address.family} socket that was shut down is told from one that serves`, () => {
    const [fd, client, beside] = [
      openStreamSocket(address.family),
      openStreamSocket(address.family),
      openStreamSocket('unix'),
    ];
    bindSocket(fd, address);
    listenOnSocket(fd, 5);
    assert.deepEqual([hungUp([]), hungUp([fd])], [[], []]);
    connectSocket(client, socketName(fd) ?? address);
    assert.deepEqual(hungUp([fd]), [], 'a client waits');
    shutDownSocket(fd);
    bindSocket(beside, { family: 'unix', path: join(folder, `beside-${address.family}`) });
    listenOnSocket(beside, 5);
    assert.deepEqual(hungUp([beside, fd, beside]), [fd]);
    for (const each of [fd, client, beside]) closeSync(each);
  });
