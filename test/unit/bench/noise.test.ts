import assert from 'node:assert/strict';
import { test } from 'node:test';
import { othersPercent } from '../../bench/noise.js';
import { parseMachineStat } from '../../bench/proc-files.js';

test("the machine's processors were busy for programs and for the host's other guests", () => {
  const text = 'cpu  100 10 50 800 20 3 7 10 99 99\ncpu0 1 2 3 4 5 6 7 8 0 0\n';
  assert.deepEqual(parseMachineStat(text), { busyTicks: 170, allTicks: 1000 });
  assert.throws(() => parseMachineStat('cpu0 1 2 3 4 5 6 7 8 0 0\n'), /does not begin/);
});

test('what others took is what was busy and not ours', () => {
  const before = { allTicks: 1000, busyTicks: 100, ownTicks: 50 };
  assert.equal(othersPercent(before, { allTicks: 1200, busyTicks: 250, ownTicks: 150 }), 25);
  // The clocks of processes and of the machine do not tick together.
  assert.equal(othersPercent(before, { allTicks: 1200, busyTicks: 150, ownTicks: 101 }), 0);
  assert.equal(othersPercent(before, before), undefined);
  assert.equal(othersPercent(undefined, before), undefined);
});
