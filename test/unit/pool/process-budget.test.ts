import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProcessBudget } from '../../../src/pool/process-budget.js';

for (const [max, workers, room] of [
  [0, 1_000_000, Number.POSITIVE_INFINITY],
  [3, 0, 3],
  [3, 2, 1],
  [3, 3, 0],
  [3, 4, 0],
] as const)
  test(`process.max ${max} and ${workers} workers: room for ${room}`, () => {
    assert.equal(new ProcessBudget(max, () => workers).room, room);
  });

test('that process.max is reached is told once until a worker is forked again', () => {
  let told = 0;
  const budget = new ProcessBudget(
    3,
    () => 3,
    () => told++,
  );
  budget.tellSpent();
  budget.tellSpent();
  assert.equal(told, 1);
  budget.onFork();
  budget.tellSpent();
  assert.equal(told, 2);
});
