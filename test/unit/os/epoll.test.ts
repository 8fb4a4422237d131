import assert from 'node:assert/strict';
import { closeSync, readSync } from 'node:fs';
import { test } from 'node:test';
import {
  controlEpoll,
  createEpoll,
  createEventCounter,
  EPOLLIN,
  raiseEventCounter,
  waitEpoll,
} from '../../../src/os/epoll.js';

/** Reports once, then only again after a `change`. */
const EPOLLONESHOT = 0x40000000;

test('tells which descriptor has something', () => {
  const epoll = createEpoll();
  const counters = [createEventCounter(), createEventCounter()] as const;
  try {
    for (const counter of counters) controlEpoll(epoll, 'add', counter, EPOLLIN);
    assert.deepEqual(waitEpoll(epoll, 0), []);
    raiseEventCounter(counters[1]);
    raiseEventCounter(counters[1]);
    assert.deepEqual(waitEpoll(epoll, 1000), [{ fd: counters[1], events: EPOLLIN }]);
    readSync(counters[1], new Uint8Array(8));
    assert.deepEqual(waitEpoll(epoll, 0), []);

    controlEpoll(epoll, 'change', counters[0], EPOLLIN | EPOLLONESHOT);
    raiseEventCounter(counters[0]);
    assert.equal(waitEpoll(epoll, 0).length, 1);
    assert.equal(waitEpoll(epoll, 0).length, 0);

    controlEpoll(epoll, 'remove', counters[0]);
    assert.throws(() => controlEpoll(epoll, 'remove', counters[0]), { code: 'ENOENT' });
  } finally {
    for (const fd of [epoll, ...counters]) closeSync(fd);
  }
});
