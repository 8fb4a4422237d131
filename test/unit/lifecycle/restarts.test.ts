import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Restarts } from '../../../src/lifecycle/restarts.js';

test('a restart is due after its pause, once, however many mistakes ask for it', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let due = 0;
  const restarts = new Restarts({ count: 1, lastMs: 0 }, () => 20_000);
  const onDue = () => {
    due += 1;
  };
  assert.deepEqual([restarts.schedule(onDue), restarts.schedule(onDue)], [40_000, 40_000]);
  t.mock.timers.tick(39_999);
  assert.deepEqual([restarts.isDue, due], [false, 0]);
  t.mock.timers.tick(1);
  assert.deepEqual([restarts.isDue, due], [true, 1]);
  restarts.begin();
  assert.equal(restarts.isDue, false);
  assert.deepEqual(restarts.history, { count: 2, lastMs: 20_000 });
});
