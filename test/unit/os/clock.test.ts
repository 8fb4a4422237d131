import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicClockUs, wallClockUs } from '../../../src/os/clock.js';

test('tells the same time as Date, more finely', () => {
  const before = Date.now();
  const us = wallClockUs();
  assert.ok(us / 1000 >= before && us / 1000 < Date.now() + 1);
  assert.ok(Number.isInteger(us));
});

test('the monotonic clock is the one that every process reads', () => {
  const before = process.hrtime.bigint() / 1000n;
  const us = monotonicClockUs();
  assert.ok(BigInt(us) >= before && BigInt(us) <= process.hrtime.bigint() / 1000n);
});
