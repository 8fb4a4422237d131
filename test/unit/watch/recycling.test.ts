import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideRecycling, type WeighedWorker } from '../../../src/watch/recycling.js';

const BOTH = { softBytes: 100, hardBytes: 200 };
const worker = (pid: number, bytes: number, more: Partial<WeighedWorker> = {}): WeighedWorker => ({
  pid,
  bytes,
  isBusy: true,
  isLeaving: false,
  aboveHardForMs: undefined,
  ...more,
});
const NOTHING = { retire: [], kill: [] };

test('a worker at its limit stays, above it it leaves', () => {
  const at = (bytes: number) => decideRecycling(BOTH, [worker(1, bytes)], { leaving: 0, alive: 1 });
  assert.deepEqual(at(100), NOTHING);
  assert.deepEqual(at(101), { retire: [1], kill: [] });
});

test('limits of 0 are none', () => {
  const huge = [worker(1, 1e12, { aboveHardForMs: 5000 })];
  assert.deepEqual(decideRecycling({ softBytes: 0, hardBytes: 0 }, huge, { leaving: 0, alive: 1 }), NOTHING);
});

test('a quarter of the workers leaves at once, or one, the fattest first', () => {
  const workers = [101, 150, 140, 130, 120, 110, 105, 102].map((bytes, i) => worker(i + 1, bytes));
  const of = (leaving: number, alive: number) => decideRecycling(BOTH, workers, { leaving, alive }).retire;
  assert.deepEqual(of(0, 8), [2, 3]);
  assert.deepEqual(of(1, 8), [2]);
  assert.deepEqual(of(2, 8), []);
  assert.deepEqual(of(0, 3), [2]);
  assert.deepEqual(of(1, 3), []);
});

test('above the hard limit there is no order, and a busy worker dies after its grace', () => {
  const workers = [worker(1, 300), worker(2, 300), worker(3, 300)];
  assert.deepEqual(decideRecycling(BOTH, workers, { leaving: 3, alive: 3 }), { retire: [1, 2, 3], kill: [] });
  const later = [
    worker(1, 300, { isLeaving: true, aboveHardForMs: 1000 }),
    worker(2, 300, { isLeaving: true, aboveHardForMs: 100 }),
    worker(3, 300, { isLeaving: true, aboveHardForMs: 1000, isBusy: false }),
    worker(4, 199, { isLeaving: true, aboveHardForMs: 1000 }),
  ];
  assert.deepEqual(decideRecycling(BOTH, later, { leaving: 4, alive: 4 }), { retire: [], kill: [1] });
});

test('whatever is seen, nobody below the limits is touched and the soft limit never takes all', () => {
  const workers = fc.uniqueArray(
    fc.record({
      pid: fc.integer({ min: 2, max: 50 }),
      bytes: fc.integer({ min: 0, max: 199 }),
      isBusy: fc.boolean(),
      isLeaving: fc.boolean(),
      aboveHardForMs: fc.constant(undefined),
    }),
    { selector: ({ pid }) => pid, minLength: 2 },
  );
  fc.assert(
    fc.property(workers, (all) => {
      const leaving = all.filter(({ isLeaving }) => isLeaving).length;
      const { retire, kill } = decideRecycling(BOTH, all, { leaving, alive: all.length });
      assert.deepEqual(kill, []);
      assert.ok(retire.length + leaving <= Math.max(leaving, 1, Math.floor(all.length / 4)));
      for (const pid of retire) assert.ok((all.find((each) => each.pid === pid)?.bytes ?? 0) > 100);
    }),
  );
});
