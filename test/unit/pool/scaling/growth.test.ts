import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decideScaling, initialScalingMemory } from '../../../../src/pool/scaling/decide.js';
import type { PoolSnapshot, ScalingSettings } from '../../../../src/pool/scaling/types.js';
import { settingsOf } from './loads.js';
import { decideAll, filled, snapshotOf } from './snapshots.js';

const HUGE = Number.MAX_SAFE_INTEGER;

type Row = [string, ScalingSettings, Partial<PoolSnapshot>, number];

const dynamic = settingsOf('dynamic', { minSpare: 3, maxSpare: 6, startServers: 4 });
const ondemand = settingsOf('ondemand');
const fixed = settingsOf('static', { maxChildren: 5 });

describe('the first fill', () => {
  const rows: Row[] = [
    ['static: pm.max_children', fixed, {}, 5],
    ['dynamic: pm.start_servers', dynamic, {}, 4],
    ['ondemand: none', ondemand, {}, 0],
    ['dynamic: those who wait already, too', dynamic, { queued: 10 }, 13],
    ['ondemand: those who wait already', ondemand, { queued: 10 }, 10],
    ['process.max cuts it', dynamic, { room: 1 }, 1],
    ['pm.max_spawn_rate does not', { ...dynamic, maxSpawnRate: 2 }, {}, 4],
    ['no zygote, no fork', dynamic, { mayFork: false }, 0],
    ['static: no zygote, no fork', fixed, { mayFork: false }, 0],
  ];
  for (const [name, settings, look, forks] of rows)
    test(name, () => {
      const memory = initialScalingMemory(settings, 0);
      assert.equal(decideScaling(settings, snapshotOf(look), memory).fork, forks);
    });

  test('is made up for once there is a zygote, and happens once', () => {
    const decisions = decideAll(
      dynamic,
      [{ mayFork: false }, {}, { starting: 4 }, { idle: 3 }],
      initialScalingMemory(dynamic, 0),
    );
    assert.deepEqual(
      decisions.map(({ fork }) => fork),
      [0, 4, 0, 0],
    );
  });
});

describe('how many are forked', () => {
  const rows: Row[] = [
    ['dynamic: nobody waits, spare is enough', dynamic, { idle: 3 }, 0],
    ['dynamic: what is missing to the spare minimum', dynamic, { idle: 1, active: 9 }, 2],
    ['dynamic: one for each that waits, and the spare minimum', dynamic, { active: 4, queued: 10 }, 13],
    ['dynamic: workers on their way count', dynamic, { active: 4, queued: 10, starting: 11 }, 2],
    ['dynamic: all are on their way', dynamic, { active: 4, queued: 10, starting: 13 }, 0],
    ['dynamic: kept-alive workers are not free', dynamic, { keptAlive: 8 }, 3],
    ['dynamic: workers with silent clients stand for spare ones', dynamic, { active: 8, silent: 2 }, 1],
    ['dynamic: and are not free', dynamic, { active: 8, silent: 5, queued: 2 }, 2],
    ['dynamic: up to pm.max_children', dynamic, { active: 58, queued: 10 }, 2],
    ['dynamic: those that leave hold their places', dynamic, { active: 50, leaving: 8, queued: 10 }, 2],
    ['dynamic: at pm.max_children', dynamic, { active: 60, queued: 10 }, 0],
    ['dynamic: above pm.max_children', dynamic, { active: 70, queued: 10 }, 0],
    ['dynamic: process.max', dynamic, { active: 4, queued: 10, room: 5 }, 5],
    ['dynamic: no room', dynamic, { active: 4, queued: 10, room: 0 }, 0],
    ['dynamic: a huge queue', dynamic, { active: 4, queued: HUGE }, 56],
    ['dynamic: a negative queue', dynamic, { idle: 3, queued: -5 }, 0],
    ['dynamic: an idle count that is nonsense', dynamic, { idle: -5 }, 3],
    ['ondemand: nobody waits', ondemand, { active: 4 }, 0],
    ['ondemand: one waits', ondemand, { queued: 1 }, 1],
    ['ondemand: 50 wait', ondemand, { queued: 50 }, 50],
    ['ondemand: idle workers take some', ondemand, { idle: 5, queued: 8 }, 3],
    ['ondemand: no room', ondemand, { queued: 8, room: 0 }, 0],
    ['static: what is missing', fixed, { idle: 1, active: 2 }, 2],
    ['static: full', fixed, { idle: 1, active: 4, queued: 100 }, 0],
    ['static: too many', fixed, { active: 9 }, 0],
    ['static: one of those leaving is still there', fixed, { active: 4, leaving: 1 }, 0],
    ['static: no room', fixed, { active: 2, room: 0 }, 0],
  ];
  for (const [name, settings, look, forks] of rows)
    test(name, () => {
      assert.equal(decideScaling(settings, snapshotOf(look), filled(settings)).fork, forks);
    });

  test('where 1 stands for some, ondemand goes on one by one until nobody waits', () => {
    const queued = 1;
    const decisions = decideAll(ondemand, [
      { queued },
      { queued, starting: 1 },
      { queued, active: 1 },
      { queued, active: 2 },
      { queued: 0, active: 2, idle: 1 },
      { queued: 0, active: 3 },
    ]);
    assert.deepEqual(
      decisions.map(({ fork }) => fork),
      [1, 0, 1, 1, 0, 0],
    );
  });
});

describe('pm.max_spawn_rate', () => {
  const limited = settingsOf('dynamic', { maxSpawnRate: 10 });
  const crowd = { queued: 50 };

  test('allows a burst, then as many each second', () => {
    const decisions = decideAll(limited, [
      { ...crowd, nowMs: 0 },
      { ...crowd, nowMs: 50, starting: 10 },
      { ...crowd, nowMs: 100, starting: 10 },
      { ...crowd, nowMs: 600, starting: 11 },
      { ...crowd, nowMs: 60_000, starting: 16 },
    ]);
    assert.deepEqual(
      decisions.map(({ fork }) => fork),
      [10, 0, 1, 5, 10],
    );
    assert.deepEqual(
      decisions.slice(0, 2).map(({ callAgainInMs }) => callAgainInMs),
      [100, 50],
    );
  });

  test('a clock that goes back allows nothing more', () => {
    const [, second] = decideAll(limited, [
      { ...crowd, nowMs: 5000 },
      { ...crowd, nowMs: 0, starting: 10 },
    ]);
    assert.equal(second?.fork, 0);
  });
});

describe('process.max', () => {
  test('is told to be in the way, and tried again in a second, only while it is', () => {
    const [held, free] = decideAll(dynamic, [
      { active: 2, room: 1 },
      { active: 2, starting: 1, room: 2 },
    ]);
    assert.deepEqual([held?.fork, held?.isRoomMissing, held?.callAgainInMs], [1, true, 1000]);
    assert.deepEqual([free?.fork, free?.isRoomMissing, free?.callAgainInMs], [2, false, undefined]);
  });

  test('static, too', () => {
    const [held, free] = decideAll(fixed, [{ room: 1 }, { starting: 5, room: 0 }]);
    assert.deepEqual([held?.fork, held?.isRoomMissing, held?.callAgainInMs], [1, true, 1000]);
    assert.deepEqual([free?.fork, free?.isRoomMissing, free?.callAgainInMs], [0, false, undefined]);
  });
});
