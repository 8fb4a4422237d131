import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLiveAsked } from '../../../src/status/choose.js';
import { livePool } from '../../../src/status/live.js';
import { HOSTILE_POOL, POOL, poolMetrics } from './sample.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const FORBIDDEN = /[\0-\x1f\x7f-\x9f\u200b\u202e]/;
const FACTS = { maxChildren: 10, trouble: undefined, mostWorkers: 100 };

test('a pool is told in numbers and texts', () => {
  const live = livePool(poolMetrics(POOL), FACTS);
  assert.equal(live.name, 'www');
  assert.equal(live.requests, 4711);
  assert.deepEqual([live.maxChildren, live.workersLeftOut, live.trouble], [10, 0, undefined]);
  assert.equal(live.durations.counts.length, live.durations.boundsS.length + 1);
  // As it is for the wire: no bigint, nothing that JSON leaves out.
  assert.deepEqual(JSON.parse(JSON.stringify(live)), live);
});

test('those with something in hand come first, and are left out last', () => {
  const order = livePool(poolMetrics(POOL), FACTS).workers.map(({ state }) => state !== 'Idle');
  assert.deepEqual(
    order,
    [...order].sort((a, b) => Number(b) - Number(a)),
  );
  const one = livePool(poolMetrics(POOL), { ...FACTS, mostWorkers: 1 });
  assert.equal(one.workers.length, 1);
  assert.equal(one.workersLeftOut, POOL.processes.length - 1);
  assert.equal(livePool(poolMetrics(POOL), { ...FACTS, mostWorkers: -5 }).workers.length, 0);
});

test('what a client or a worker wrote is text of a bounded length', () => {
  const uri = Buffer.from(`/\u202e\u200b\x1b[2J\n${'x'.repeat(1000)}`);
  const processes = HOSTILE_POOL.processes.map((worker) => ({
    ...worker,
    uri,
    script: uri,
    requests: 2n ** 64n - 1n,
  }));
  const live = livePool(poolMetrics({ ...HOSTILE_POOL, processes }), { ...FACTS, trouble: 'a\nb' });
  assert.equal(live.trouble, 'a\ufffdb');
  for (const { uri: shown, script, method, requests } of live.workers) {
    assert.ok(shown.length <= 300 && script.length <= 300);
    assert.ok(Number.isFinite(requests));
    for (const text of [shown, script, method, live.name]) assert.doesNotMatch(text, FORBIDDEN);
  }
});

test('the live form is asked for by the whole word', () => {
  for (const query of ['html&live', 'live', 'live=1&json', 'full&%6Cive'])
    assert.ok(isLiveAsked(query), query);
  for (const query of ['', 'html', 'l', 'liv', 'lives', 'LIVE', 'html=live'])
    assert.ok(!isLiveAsked(query), query);
});
