import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failuresAfter, replacementDelay, type UnexpectedEnd } from '../../../src/pool/back-off.js';

const MIDDLE = 0.5;
const end = (more: Partial<UnexpectedEnd>): UnexpectedEnd => ({
  ageMs: 5,
  isInOrder: false,
  hasServed: false,
  ...more,
});

for (const [name, ended, failures] of [
  ['died at once', end({}), 4],
  ['ended at once with code 0', end({ isInOrder: true }), 4],
  ['had served', end({ hasServed: true }), 0],
  ['had lived', end({ ageMs: 1000 }), 0],
] as const)
  test(`after three failures a worker that ${name} makes ${failures}`, () => {
    assert.equal(failuresAfter(3, ended), failures);
  });

for (const [failures, delayMs] of [
  [1, 0],
  [2, 100],
  [3, 200],
  [4, 400],
  [10, 25_600],
  [11, 30_000],
  [1000, 30_000],
] as const)
  test(`failure ${failures} in a row waits ${delayMs} ms`, () => {
    assert.equal(replacementDelay(failures, end({}), MIDDLE), delayMs);
  });

test('delays vary by a quarter to both sides', () => {
  assert.equal(replacementDelay(4, end({}), 0), 300);
  assert.equal(replacementDelay(4, end({}), 1), 500);
});

test('a worker that ends in order or after a life is replaced at once, one that crashed on a request almost', () => {
  assert.equal(replacementDelay(0, end({ isInOrder: true, hasServed: true }), MIDDLE), 0);
  assert.equal(replacementDelay(0, end({ ageMs: 60_000 }), MIDDLE), 0);
  const crash = replacementDelay(0, end({ hasServed: true }), MIDDLE);
  assert.ok(crash > 0 && crash <= 50);
});
