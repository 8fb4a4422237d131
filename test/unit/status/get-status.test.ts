import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getStatus } from '../../../src/status/get-status.js';
import { NEW_WORKER, POOL } from './sample.js';

// Both lists as php-fpm 8.2.36 returns them.
const POOL_KEYS =
  'pool process-manager start-time start-since accepted-conn listen-queue max-listen-queue listen-queue-len idle-processes active-processes total-processes max-active-processes max-children-reached slow-requests';
const PROC_KEYS =
  'pid state start-time start-since requests request-duration request-method request-uri query-string request-length user script last-request-cpu last-request-memory';

const keysOf = (entries: readonly (readonly [string, unknown])[] = []) =>
  entries.map(([key]) => key).join(' ');

test('fpm_get_status has the keys of php-fpm in its order', () => {
  const { pool, procs } = getStatus(POOL);
  assert.equal(keysOf(pool), POOL_KEYS);
  assert.equal(keysOf(procs[0]), PROC_KEYS);
  assert.equal(procs.length, POOL.processes.length);
  assert.equal(keysOf(getStatus(POOL, { hasMemoryPeak: true }).pool), `${POOL_KEYS} memory-peak`);
});

test('fpm_get_status shows an empty URI as such, and a dash for what else is missing', () => {
  const [proc = []] = getStatus({ ...POOL, processes: [NEW_WORKER] }).procs;
  const strings = proc.flatMap(([key, value]) =>
    value.is === 'request' ? [[key, String(value.bytes)]] : [],
  );
  assert.deepEqual(strings, [
    ['request-method', '-'],
    ['request-uri', ''],
    ['query-string', ''],
    ['user', '-'],
    ['script', '-'],
  ]);
});

test('the pool is cut to 31 bytes in pages, not in fpm_get_status', () => {
  const name = 'x'.repeat(40);
  assert.deepEqual(getStatus({ ...POOL, name }).pool[0], ['pool', { is: 'word', text: name }]);
});
