import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_FORMAT } from '../../../src/accesslog/parse-format.js';
import { requestLogHandle } from '../../../src/pool/hand-over.js';
import { decodeTakeover } from '../../../src/upgrade/takeover.js';

const POOL = {
  name: 'www',
  accessLog: '/var/log/www.log',
  accessFormat: undefined,
  accessSuppressPath: [{ key: '', value: '/health' }],
};
const WORKERS = [{ slot: 1, pid: 101, isReady: true }];

test('a zygote with an access log is understood by the program that takes over', () => {
  const requestLog = requestLogHandle(POOL, { fd: 20, slotCount: 8 }, WORKERS);
  const zygotes = [
    { pid: 100, controlFd: 21, requestLog },
    { pid: 99, controlFd: 22 },
  ];
  assert.deepEqual(decodeTakeover(JSON.stringify({ zygotes })).zygotes, zygotes);
  assert.deepEqual(requestLog, {
    recordVersion: 1,
    scoreboardFd: 20,
    slotCount: 8,
    pool: 'www',
    path: '/var/log/www.log',
    format: DEFAULT_FORMAT,
    suppressPaths: ['/health'],
    workers: [{ slot: 1, pid: 101 }],
  });
});
