import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NOBODY,
  overdue,
  pauseMs,
  type QueueLimits,
  restMs,
  type SeenSince,
} from '../../../src/overload/overdue.js';

const TIMEOUT: QueueLimits = { timeoutMs: 1000, most: 0 };

/** Looks at one queue after the other; clients are numbers, undefined has left. */
function looks(limits: QueueLimits, isOldestFirst: boolean, ...queues: [number, (number | undefined)[]][]) {
  let seenSince: SeenSince = NOBODY;
  return queues.map(([nowMs, clients]) => {
    const found = overdue(limits, { clients, isOldestFirst }, nowMs, seenSince);
    seenSince = found.seenSince;
    return [found.late, found.surplus];
  });
}

test('a client is late once it has been seen to wait for the time, not before', () => {
  const late = looks(
    TIMEOUT,
    true,
    [0, [1]],
    [600, [1, 2]],
    [999, [1, 2]],
    [1000, [1, 2]],
    [1000, [2]],
    [1600, [2]],
  );
  assert.deepEqual(late.flat(), [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
});

test('those in front of a late client are late, though they have left', () => {
  assert.deepEqual(
    looks(TIMEOUT, true, [0, [1, 2]], [1000, [undefined, undefined, 1, undefined, 2, 3]]).at(-1),
    [5, 0],
  );
});

test('those who have left count for nothing while nobody behind them is late', () => {
  assert.deepEqual(looks(TIMEOUT, true, [0, [undefined, 1]], [5000, [undefined, undefined]]), [
    [0, 0],
    [0, 0],
  ]);
});

test('without an order each late client counts', () => {
  assert.deepEqual(looks(TIMEOUT, false, [0, [1, 2]], [1000, [3, 2, 4, 1]]).at(-1), [2, 0]);
});

test('a number that comes back later is another client', () => {
  assert.deepEqual(looks(TIMEOUT, true, [0, [1]], [500, []], [1100, [1]]).at(-1), [0, 0]);
});

test('more than may wait are a surplus, whoever they are', () => {
  assert.deepEqual(looks({ timeoutMs: 0, most: 2 }, true, [0, [1, 2]], [1, [1, undefined, 3, 4]]), [
    [0, 0],
    [0, 2],
  ]);
});

test('without limits nobody is late', () => {
  assert.deepEqual(looks({ timeoutMs: 0, most: 0 }, true, [0, [1]], [1e9, [1]]).at(-1), [0, 0]);
});

test('looks are frequent enough, and take little time', () => {
  const table: [QueueLimits, number, number][] = [
    [{ timeoutMs: 10_000, most: 0 }, 0, 250],
    [{ timeoutMs: 1000, most: 0 }, 0, 50],
    [{ timeoutMs: 10, most: 0 }, 0, 20],
    [{ timeoutMs: 0, most: 9 }, 0, 100],
    [{ timeoutMs: 10_000, most: 9 }, 0, 100],
    [{ timeoutMs: 400, most: 9 }, 0, 20],
    [{ timeoutMs: 1000, most: 0 }, 5, 100],
    [{ timeoutMs: 1000, most: 0 }, 500, 200],
  ];
  for (const [limits, tookMs, expected] of table) assert.equal(pauseMs(limits, tookMs), expected);
});

test('many that are late are turned away in a quarter of the time', () => {
  assert.deepEqual([0, 2, 50].map(restMs), [0, 6, 10]);
});

interface Simulated {
  readonly id: number;
  readonly cameMs: number;
  servedMs?: number;
  refusedMs?: number;
}

/**
 * A pool that is asked `perMs` and serves `servedPerMs`. Between the look at the queue and the accepting workers take
 * `takenMeanwhile` clients.
 */
function simulate(
  limits: QueueLimits,
  {
    ms,
    perMs,
    servedPerMs,
    takenMeanwhile = 0,
  }: Record<'ms' | 'perMs' | 'servedPerMs', number> & {
    takenMeanwhile?: number;
  },
): Simulated[] {
  const all: Simulated[] = [];
  const queue: Simulated[] = [];
  let seenSince: SeenSince = NOBODY;
  let [lookAtMs, arriving, serving] = [0, 0, 0];
  for (let nowMs = 0; nowMs < ms; nowMs++) {
    for (arriving += perMs; arriving >= 1; arriving--) {
      const client = { id: all.length, cameMs: nowMs };
      all.push(client);
      queue.push(client);
    }
    const serve = () => {
      const served = queue.shift();
      if (served !== undefined) served.servedMs = nowMs;
    };
    for (serving = Math.min(serving + servedPerMs, 1); serving >= 1; serving--) serve();
    if (nowMs < lookAtMs) continue;
    const clients = queue.map(({ id }) => id);
    const found = overdue(limits, { clients, isOldestFirst: true }, nowMs, seenSince);
    seenSince = found.seenSince;
    for (let i = 0; i < takenMeanwhile; i++) serve();
    const refused = queue.splice(0, Math.max(found.late, found.surplus));
    for (const client of refused) client.refusedMs = nowMs;
    lookAtMs = nowMs + pauseMs(limits, 0);
  }
  return all;
}

const waitedMs = ({ cameMs, servedMs, refusedMs }: Simulated) => (servedMs ?? refusedMs ?? cameMs) - cameMs;

test('under five times the load all workers stay busy, and nobody waits for longer than allowed', () => {
  const clients = simulate(TIMEOUT, { ms: 20_000, perMs: 1, servedPerMs: 0.2 });
  const refused = clients.filter(({ refusedMs }) => refusedMs !== undefined);
  const served = clients.filter(({ servedMs }) => servedMs !== undefined);
  assert.ok(served.length > 3990, `${served.length} of 4000 served`);
  assert.ok(refused.length > 14_000, `${refused.length} refused`);
  assert.ok(Math.min(...refused.map(waitedMs)) >= 1000);
  assert.ok(Math.max(...clients.map(waitedMs)) <= 1000 + pauseMs(TIMEOUT, 0) + 1);
});

test('workers that take late clients at the same moment cost those right behind them no more than that moment', () => {
  const clients = simulate(TIMEOUT, { ms: 20_000, perMs: 1, servedPerMs: 0.2, takenMeanwhile: 4 });
  const early = clients.filter((client) => client.refusedMs !== undefined && waitedMs(client) < 1000);
  assert.ok(early.length > 0, 'the test has what it is about');
  // Four clients more than late, and one comes each millisecond.
  assert.ok(Math.min(...early.map(waitedMs)) >= 1000 - pauseMs(TIMEOUT, 0) - 4);
});

test('a pool that keeps up refuses nobody', () => {
  const clients = simulate({ timeoutMs: 1000, most: 50 }, { ms: 20_000, perMs: 0.2, servedPerMs: 0.21 });
  assert.equal(clients.filter(({ refusedMs }) => refusedMs !== undefined).length, 0);
});

test('a bounded queue stays near its bound', () => {
  const clients = simulate({ timeoutMs: 0, most: 50 }, { ms: 20_000, perMs: 1, servedPerMs: 0.2 });
  assert.ok(Math.max(...clients.map(waitedMs)) < 500);
  assert.ok(clients.filter(({ servedMs }) => servedMs !== undefined).length > 3990);
});
