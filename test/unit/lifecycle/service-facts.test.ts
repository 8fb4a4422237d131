import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceLoad, systemdInterval } from '../../../src/lifecycle/service-facts.js';
import { configOf, POOL as POOL_FILE } from '../config/memory-disk.js';
import { POOL } from '../status/sample.js';

test('all pools are one service', () => {
  const { active, idle, acceptedConn, slowRequests } = POOL;
  assert.deepEqual(serviceLoad([POOL, POOL]), {
    active: 2 * active,
    idle: 2 * idle,
    requests: 2n * acceptedConn,
    slow: 2n * slowRequests,
  });
  assert.deepEqual(serviceLoad([]), { active: 0, idle: 0, requests: 0n, slow: 0n });
});

test('the default interval is not one that the file sets', () => {
  assert.deepEqual(systemdInterval(configOf(POOL_FILE)), { intervalS: 10, isSet: false });
  assert.deepEqual(systemdInterval(configOf(`systemd_interval = 0\n${POOL_FILE}`)), {
    intervalS: 0,
    isSet: true,
  });
});
