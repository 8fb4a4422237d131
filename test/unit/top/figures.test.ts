import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf } from '../../../src/top/figures.js';
import { live, pool, worker } from './live-sample.js';

const NO_USAGE = new Map();

test('rates and latencies are those between two looks', () => {
  const before = live(1000, [pool('www')]);
  const now = live(3000, [
    pool('www', { requests: 400, durations: { boundsS: [0.01, 0.1, 1], counts: [90, 110, 0, 0], sumS: 9 } }),
  ]);
  const figures = figuresOf(now, before, NO_USAGE);
  assert.equal(figures.pools[0]?.requestsPerS, 150);
  assert.equal(figures.requestsPerS, 150);
  assert.ok(Math.abs((figures.pools[0]?.p50Ms ?? 0) - 55) < 1e-9);
  assert.equal(figures.p50Ms, figures.pools[0]?.p50Ms);
});

test('at the first look rates are unknown, and latencies those since the start', () => {
  const { pools, requestsPerS, p50Ms } = figuresOf(live(1000, [pool('www')]), undefined, NO_USAGE);
  assert.deepEqual([pools[0]?.requestsPerS, requestsPerS], [undefined, undefined]);
  assert.ok((p50Ms ?? 0) > 5 && (p50Ms ?? 0) < 6);
});

test('what began to count anew has no rate: a reload, an upgrade, a new pool', () => {
  const before = live(5000, [pool('www', { requests: 900 }), pool('shop', { startEpochS: 1 })]);
  const now = live(6000, [pool('www'), pool('shop'), pool('new')]);
  assert.deepEqual(
    figuresOf(now, before, NO_USAGE).pools.map(({ requestsPerS }) => requestsPerS),
    [undefined, undefined, undefined],
  );
  const upgraded = figuresOf(live(10, [pool('www')]), live(5000, [pool('www')]), NO_USAGE);
  assert.equal(upgraded.pools[0]?.requestsPerS, undefined);
});

test('no requests are no latency', () => {
  const look = (nowMs: number) => live(nowMs, [pool('www')]);
  const { pools, p99Ms } = figuresOf(look(2000), look(1000), NO_USAGE);
  assert.deepEqual([pools[0]?.requestsPerS, pools[0]?.p50Ms, p99Ms], [0, undefined, undefined]);
});

test('what processes use is added up, as far as it is known', () => {
  const workers = [worker(1), worker(2), worker(3)];
  const usage = new Map([
    [1, { cpuPercent: 20, privateBytes: 100 }],
    [2, { cpuPercent: undefined, privateBytes: 50 }],
  ]);
  const figures = figuresOf(
    live(0, [pool('www', { workers }), pool('idle', { workers: [] })]),
    undefined,
    usage,
  );
  assert.deepEqual([figures.pools[0]?.cpuPercent, figures.pools[0]?.privateBytes], [20, 150]);
  assert.deepEqual([figures.pools[1]?.cpuPercent, figures.privateBytes], [undefined, 150]);
  assert.equal(figures.workers.find((each) => each.worker.pid === 1)?.cpuPercent, 20);
});
