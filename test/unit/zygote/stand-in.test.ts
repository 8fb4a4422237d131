import assert from 'node:assert/strict';
import { existsSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { connectSocket, openStreamSocket } from '../../../src/os/socket.js';
import { StandInSocket } from '../../../src/zygote/stand-in.js';

test('stand-in sockets share a folder that others cannot enter, and the last one removes it', () => {
  const [first, second] = [new StandInSocket(), new StandInSocket()];
  const folder = dirname(first.path);
  assert.equal(dirname(second.path), folder);
  assert.notEqual(first.path, second.path);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  connectSocket(openStreamSocket('unix'), { family: 'unix', path: second.path });
  first.remove();
  first.remove();
  assert.equal(existsSync(first.path), false);
  assert.equal(existsSync(second.path), true);
  second.remove();
  assert.equal(existsSync(folder), false);
  for (const socket of [first, second]) socket.handOver();
});

test('a folder that somebody has removed is made anew for the next', () => {
  const lost = new StandInSocket();
  rmSync(dirname(lost.path), { recursive: true });
  assert.throws(() => new StandInSocket(), { code: 'ENOENT' });
  const next = new StandInSocket();
  lost.remove();
  assert.equal(existsSync(next.path), true);
  next.remove();
  for (const socket of [lost, next]) socket.handOver();
});
