import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { ConnectionLimit } from '../../../src/listen/connection-limit.js';

class FakeSocket extends EventEmitter {
  isOpen = true;

  destroy(): void {
    this.isOpen = false;
    this.emit('close');
  }
}

function admitted(limit: ConnectionLimit, count: number): FakeSocket[] {
  return Array.from({ length: count }, () => {
    const socket = new FakeSocket();
    limit.admit(socket as unknown as Socket);
    return socket;
  });
}

const openOf = (sockets: readonly FakeSocket[]) => sockets.map(({ isOpen }) => isOpen);

test('past the limit the one that is silent longest gives way', () => {
  const limit = new ConnectionLimit(3);
  const sockets = admitted(limit, 5);
  assert.deepEqual(openOf(sockets), [false, false, true, true, true]);
});

test('one that has asked stays while others are silent', () => {
  const limit = new ConnectionLimit(2);
  const [asking] = admitted(limit, 1);
  limit.hasAsked(asking as unknown as Socket);
  const silent = admitted(limit, 10);
  assert.equal(asking?.isOpen, true);
  assert.deepEqual(openOf(silent), [...Array(9).fill(false), true]);
});

test('of those that have all asked, the one whose request is longest ago gives way', () => {
  const limit = new ConnectionLimit(2);
  const sockets = admitted(limit, 2);
  for (const socket of sockets.toReversed()) limit.hasAsked(socket as unknown as Socket);
  admitted(limit, 1);
  assert.deepEqual(openOf(sockets), [true, false]);
});

test('one that has left makes room, and what it still sent brings it not back', () => {
  const limit = new ConnectionLimit(2);
  const sockets = admitted(limit, 2);
  sockets[0]?.destroy();
  limit.hasAsked(sockets[0] as unknown as Socket);
  const [next] = admitted(limit, 1);
  assert.deepEqual(openOf(sockets), [false, true]);
  limit.destroyAll();
  assert.deepEqual([sockets[1]?.isOpen, next?.isOpen], [false, false]);
});
