import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForkRefusals } from '../../../src/pool/fork-refusals.js';

test('an episode of refusals is told once, though some forks succeed in it', () => {
  const refusals = new ForkRefusals();
  const told: number[] = [];
  for (let nowMs = 0; nowMs < 60_000; nowMs += 500) {
    if (refusals.onRefused('EAGAIN', nowMs)) told.push(nowMs);
    if (nowMs % 2000 === 0) refusals.onForked();
  }
  assert.deepEqual(told, [0]);
  assert.equal(refusals.onRefused('EAGAIN', 80_000), true);
  assert.equal(refusals.onRefused('EAGAIN', 80_001), false);
});

test('the pause before the next try grows to two seconds, and begins anew after a success', () => {
  const refusals = new ForkRefusals();
  const delays = Array.from({ length: 7 }, () => refusals.nextDelay(0.5));
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 2000, 2000]);
  refusals.onForked();
  assert.equal(refusals.nextDelay(0), 75);
  assert.equal(refusals.nextDelay(1), 250);
});

test('why is known until a fork succeeds', () => {
  const refusals = new ForkRefusals();
  assert.equal(refusals.reason, undefined);
  refusals.onRefused('ENOMEM', 0);
  assert.equal(refusals.reason, 'ENOMEM');
  refusals.onForked();
  assert.equal(refusals.reason, undefined);
});
