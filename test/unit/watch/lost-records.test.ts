import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LostRecords } from '../../../src/watch/lost-records.js';

function open(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: [count: number, pids: readonly number[]][] = [];
  return { told, lost: new LostRecords((count, pids) => void told.push([count, pids])) };
}

test('the first loss is told at once, those of the next ten seconds in sum', (t) => {
  const { told, lost } = open(t);
  lost.add(3, 7);
  assert.deepEqual(told, [[3, [7]]]);
  for (let i = 0; i < 1000; i++) lost.add(2, 7 + (i % 2));
  assert.equal(told.length, 1);
  t.mock.timers.tick(10_000);
  assert.deepEqual(told[1], [2000, [7, 8]]);
  t.mock.timers.tick(10_000);
  assert.equal(told.length, 2);
  lost.add(1, 9);
  assert.deepEqual(told[2], [1, [9]]);
});

test('what is not told yet is told at the end', (t) => {
  const { told, lost } = open(t);
  lost.add(1, 7);
  lost.add(5, 7);
  lost.end();
  assert.deepEqual(told, [
    [1, [7]],
    [5, [7]],
  ]);
  t.mock.timers.tick(60_000);
  assert.equal(told.length, 2);
});
