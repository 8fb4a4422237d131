import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadResult } from '../../bench/load-generator.js';
import { cpuSpentNs, describeFailures } from '../../bench/scenarios/throughput.js';

test('CPU time is the sum over the workers', () => {
  const before = new Map([
    [11, 100n],
    [12, 200n],
  ]);
  const after = new Map([
    [12, 260n],
    [11, 140n],
  ]);
  assert.equal(cpuSpentNs(before, after), 100);
});

test('CPU time is unknown when the workers are not the same, or there are none', () => {
  const before = new Map([[11, 100n]]);
  assert.equal(cpuSpentNs(before, new Map([[12, 260n]])), undefined);
  assert.equal(cpuSpentNs(before, new Map([...before, [12, 1n]])), undefined);
  assert.equal(cpuSpentNs(before, new Map()), undefined);
  assert.equal(cpuSpentNs(new Map(), new Map()), undefined);
});

test('every failure is told, and a clean run tells nothing', () => {
  const clean: LoadResult = {
    ok: 9,
    failed: 0,
    failures: { refused: 0, reset: 0 },
    okBeforeEnd: 1,
    backlogFull: 0,
    reconnects: 0,
    stdoutBytes: 90,
    stderrBytes: 0,
    requestBytes: 800,
    elapsedSeconds: 1,
    requestsPerSecond: 9,
    latencyUs: { p50: 1, p90: 1, p99: 1, max: 1 },
    cpuSeconds: { user: 0, system: 0 },
  };
  assert.deepEqual(describeFailures(clean), []);
  const failures = { refused: 0, reset: 2 };
  assert.deepEqual(
    describeFailures({ ...clean, failed: 2, failures, backlogFull: 3, reconnects: 4, stderrBytes: 5 }),
    [
      '2 of 11 requests failed: reset',
      '4 kept connections were closed by the server',
      '3 connects met a full listen queue',
      "5 bytes on FastCGI's STDERR",
    ],
  );
});
