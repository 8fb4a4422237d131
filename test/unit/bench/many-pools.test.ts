import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manyPools } from '../../bench/scenarios/many-pools.js';

const keysOf = (entries: readonly { readonly key: string }[]) => entries.map(({ key }) => key);

test('--short measures the same of fewer pools, and the titles say how many', () => {
  const { short } = manyPools;
  assert.ok(short !== undefined);
  assert.equal(short.name, manyPools.name);
  assert.deepEqual(keysOf(short.metrics), keysOf(manyPools.metrics));
  assert.match(
    manyPools.metrics.map(({ title }) => title).join(),
    /50 active.*4000 ondemand.*200 static.*500 visited/,
  );
  assert.match(
    short.metrics.map(({ title }) => title).join(),
    /20 active.*200 ondemand.*20 static.*50 visited/,
  );
});

test('each figure of the full scenario has a target, and --short keeps what does not depend on the number', () => {
  assert.deepEqual(manyPools.targets.map(({ metric }) => metric).sort(), keysOf(manyPools.metrics).sort());
  assert.deepEqual(
    manyPools.short?.targets.map(({ metric }) => metric),
    ['firstAnswerMs', 'sharedAnswerMs'],
  );
});

test('it asks for processes that can be reloaded, in one round', () => {
  for (const scenario of [manyPools, manyPools.short])
    assert.deepEqual([scenario?.reloads, scenario?.once], [true, true]);
});
