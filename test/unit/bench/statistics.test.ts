import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRounds, median, quantile, summarize } from '../../bench/statistics.js';

test('the median is the middle value, or the mean of the two middle ones', () => {
  assert.equal(median([]), undefined);
  assert.equal(median([7]), 7);
  assert.equal(median([10, 9, 1]), 9);
  assert.equal(median([100, 2, 4, 1]), 3);
});

test('a summary leaves out rounds without a value', () => {
  assert.deepEqual(summarize([3, undefined, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.equal(summarize([undefined]), undefined);
});

test('subjects are compared within the same round', () => {
  // The machine was twice as slow in the second round, for both: the ratio stays.
  assert.deepEqual(compareRounds([120, 60], [100, 50], 'ratio'), [1.2, 1.2]);
  assert.deepEqual(compareRounds([5, 7], [4, 8], 'difference'), [1, -1]);
});

test('a round that one side did not complete is not compared', () => {
  assert.deepEqual(compareRounds([undefined, 4, 6, 1], [1, 2, undefined, 0], 'ratio'), [2]);
  assert.deepEqual(compareRounds([1, 2], [], 'difference'), []);
});

test('p99 is exceeded by one value of a hundred', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.equal(quantile(values, 0.99), 99);
  assert.equal(quantile(values, 0.5), 50);
  assert.equal(quantile([7], 0.99), 7);
  assert.equal(quantile([], 0.99), undefined);
});
