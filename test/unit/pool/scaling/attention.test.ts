import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolSnapshot, ScalingSettings } from '../../../../src/pool/scaling/types.js';
import { settingsOf } from './loads.js';
import { decideAll } from './snapshots.js';

const dynamic = settingsOf('dynamic', { maxChildren: 10, minSpare: 2 });
const ondemand = settingsOf('ondemand', { maxChildren: 10 });

/** Watches the queue, and is woken below so many idle workers. */
type Row = [string, ScalingSettings, Partial<PoolSnapshot>, boolean, number];

const rows: Row[] = [
  ['static: never', settingsOf('static'), { active: 3 }, false, 0],
  ['ondemand: empty', ondemand, {}, true, 0],
  ['ondemand: an idle worker tells', ondemand, { idle: 3 }, false, 1],
  ['ondemand: all busy', ondemand, { active: 3 }, true, 0],
  ['ondemand: some on their way', ondemand, { active: 3, queued: 2, starting: 2 }, true, 0],
  ['ondemand: full, not yet told', ondemand, { active: 10 }, true, 0],
  ['ondemand: full and told', ondemand, { active: 10, queued: 1 }, false, 0],
  ['ondemand: no zygote', ondemand, { active: 3, mayFork: false }, false, 0],
  ['ondemand: process.max in the way of one who waits', ondemand, { queued: 1, room: 0 }, false, 0],
  ['ondemand: process.max in nobody’s way', ondemand, { room: 0 }, true, 0],
  ['dynamic: enough are idle', dynamic, { idle: 3 }, false, 2],
  ['dynamic: fewer, and some on their way', dynamic, { idle: 1, starting: 1 }, false, 1],
  ['dynamic: none, some on their way', dynamic, { active: 3, starting: 2 }, true, 0],
  ['dynamic: full with enough idle', dynamic, { active: 8, idle: 2 }, false, 2],
  ['dynamic: full and told', dynamic, { active: 10 }, false, 0],
];

for (const [name, settings, look, watchQueue, wakeBelowIdle] of rows)
  test(name, () => {
    const [decision] = decideAll(settings, [look]);
    assert.deepEqual([decision?.watchQueue, decision?.wakeBelowIdle], [watchQueue, wakeBelowIdle]);
  });

test('rests for a moment after looking twice in vain, but not after a fork', () => {
  const decisions = decideAll(ondemand, [
    { nowMs: 0, active: 3 },
    { nowMs: 1, active: 3 },
    { nowMs: 5, active: 3 },
    { nowMs: 6, active: 3, queued: 1 },
    { nowMs: 7, active: 3, queued: 2, starting: 1 },
  ]);
  assert.deepEqual(
    decisions.map(({ watchQueue, fork }) => [watchQueue, fork]),
    [
      [true, 0],
      [false, 0],
      [true, 0],
      [true, 1],
      [true, 1],
    ],
  );
  assert.equal(decisions[1]?.callAgainInMs, 4);
});
