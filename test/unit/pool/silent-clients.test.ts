import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SilentClients } from '../../../src/pool/silent-clients.js';

/** Up to whom the kernel says that somebody has spoken. */
function open(spoken: number | undefined) {
  const state = { spoken, looks: 0 };
  const clients = new SilentClients(3, () => {
    state.looks++;
    return state.spoken;
  });
  const wanting = (length: number, free = 0, all = 1) =>
    clients.wanting({ length, limit: 511 }, { free, all, most: 60 });
  return { state, clients, wanting };
}

test('those who are free for all in the queue take it, without a look', () => {
  const { state, clients, wanting } = open(0);
  assert.equal(wanting(0), 0);
  assert.equal(wanting(5, 5, 9), 5);
  // Nor where nobody can be forked for them.
  assert.equal(wanting(5, 0, 60), 5);
  assert.equal(state.looks, 0);
  assert.equal(clients.pollAgainInMs, undefined);
});

test('everybody up to the last who has spoken wants a worker', () => {
  const { wanting } = open(4);
  assert.equal(wanting(30), 4);
});

test('silent clients want one worker of a pool that has none, and none of another', () => {
  const { wanting } = open(0);
  assert.equal(wanting(30, 0, 0), 1);
  assert.equal(wanting(30, 0, 1), 0);
});

test('as long as some are silent they are looked at, ever more rarely', () => {
  const { state, clients, wanting } = open(0);
  const pauses = Array.from({ length: 8 }, () => {
    wanting(3);
    return clients.pollAgainInMs;
  });
  assert.deepEqual(pauses, [2, 4, 8, 16, 32, 64, 100, 100]);
  state.spoken = 3;
  assert.equal(wanting(3), 3);
  assert.equal(clients.pollAgainInMs, undefined);
});

test('where the kernel does not tell, and where the queue is about to be full, each counts', () => {
  assert.equal(open(undefined).wanting(30), 30);
  assert.equal(open(0).wanting(256), 256);
});
