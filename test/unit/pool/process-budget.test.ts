import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProcessBudget } from '../../../src/pool/process-budget.js';

for (const [max, workers, hasRoom] of [
  [0, 1_000_000, true],
  [3, 2, true],
  [3, 3, false],
  [3, 4, false],
] as const)
  test(`process.max ${max} and ${workers} workers: ${hasRoom ? 'one more' : 'no more'}`, () => {
    assert.equal(new ProcessBudget(max, () => workers).hasRoom, hasRoom);
  });
