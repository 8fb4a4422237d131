import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decideScaling } from '../../../../src/pool/scaling/decide.js';
import type { Decision, PoolSnapshot, ScalingMemory } from '../../../../src/pool/scaling/types.js';
import { settingsOf } from './loads.js';
import { filled, idleWorkers, snapshotOf } from './snapshots.js';

const dynamic = settingsOf('dynamic');
const ondemand = settingsOf('ondemand');

/** A dynamic pool looked at each second; those looks that let workers go. */
function watchDynamic(
  seconds: number,
  look: (second: number) => Partial<PoolSnapshot>,
): { second: number; decision: Decision }[] {
  let memory: ScalingMemory = filled(dynamic);
  const events: { second: number; decision: Decision }[] = [];
  for (let second = 0; second <= seconds; second++) {
    const decision = decideScaling(dynamic, snapshotOf({ nowMs: second * 1000, ...look(second) }), memory);
    memory = decision.memory;
    if (decision.retire.length > 0) events.push({ second, decision });
  }
  return events;
}

describe('dynamic', () => {
  const six = { idle: 6, idleWorkers: idleWorkers(6) };

  test('lets the excess over pm.max_spare_servers go after the whole timeout', () => {
    const [first] = watchDynamic(30, () => six);
    assert.deepEqual([first?.second, first?.decision.retire], [11, [1, 2]]);
  });

  test('does not count what is leaving as still too much', () => {
    const events = watchDynamic(60, (second) =>
      second <= 11 ? six : { idle: 4, leaving: 2, idleWorkers: idleWorkers(4, {}, 3) },
    );
    assert.equal(events.length, 1);
  });

  test('a moment of use within the timeout keeps them, seen or only told of', () => {
    const seen = (second: number) => (second % 9 === 0 ? { idle: 4, active: 2 } : six);
    const told = (second: number) => (second % 9 === 0 ? { ...six, lowestIdle: 1 } : six);
    assert.deepEqual(watchDynamic(200, seen), []);
    assert.deepEqual(watchDynamic(200, told), []);
  });

  test('only what was too much all the time goes', () => {
    const [first] = watchDynamic(30, (second) =>
      second === 7 ? { ...six, lowestIdle: 5 } : second < 5 ? { idle: 4, active: 2 } : six,
    );
    assert.equal(first?.decision.retire.length, 1);
  });

  for (const [name, look] of [
    ['exactly pm.max_spare_servers', { idle: 4 }],
    ['too few to be too many', { idle: 1 }],
    ['busy', { active: 40, idle: 4 }],
    ['somebody waits', { ...six, queued: 10 }],
    ['all are kept alive by clients that still talk', keptAlive(20, 1_000_000)],
  ] as [string, Partial<PoolSnapshot>][])
    test(`nobody goes: ${name}`, () =>
      assert.deepEqual(
        watchDynamic(60, () => look),
        [],
      ));

  test('the fattest goes first, then the oldest', () => {
    const workers = [
      ...idleWorkers(2, { memoryBytes: 10, startedAtMs: 5 }, 1),
      ...idleWorkers(1, { memoryBytes: 30, startedAtMs: 9 }, 3),
      ...idleWorkers(1, { memoryBytes: 20, startedAtMs: 3 }, 4),
      ...idleWorkers(1, { memoryBytes: 20, startedAtMs: 2 }, 5),
      ...idleWorkers(2, { memoryBytes: 10, startedAtMs: 7 }, 6),
    ];
    const [first] = watchDynamic(30, () => ({ idle: 7, idleWorkers: workers }));
    assert.deepEqual(first?.decision.retire, [3, 5, 4]);
  });

  function keptAlive(count: number, idleSinceMs: number): Partial<PoolSnapshot> {
    return {
      keptAlive: count,
      idle: 2,
      idleWorkers: [
        ...idleWorkers(count, { isKeptAlive: true, idleSinceMs }, 10),
        ...idleWorkers(2, { memoryBytes: 1e9 }, 1),
      ],
    };
  }

  test('kept-alive workers go after idle ones, when their clients have been silent for the timeout', () => {
    const [first] = watchDynamic(30, () => keptAlive(5, 0));
    assert.deepEqual([first?.second, first?.decision.retire], [10, [10, 11, 12]]);
    const both = { ...keptAlive(5, 0), idle: 6, idleWorkers: [...idleWorkers(6), ...silent(5)] };
    const [idleFirst] = watchDynamic(11, () => both);
    assert.deepEqual(idleFirst?.decision.retire, [1, 2]);
    function silent(count: number) {
      return idleWorkers(count, { isKeptAlive: true, memoryBytes: 1e9 }, 20);
    }
  });

  test('asks for the idle workers only when one has to go, and is called each tenth of the timeout', () => {
    let memory = filled(dynamic);
    const asked: number[] = [];
    for (let second = 0; second <= 11; second++) {
      const decision = decideScaling(dynamic, snapshotOf({ nowMs: second * 1000, idle: 6 }), memory);
      assert.equal(decision.callAgainInMs, 1000);
      memory = decision.memory;
      if (decision.wantsIdleWorkers) asked.push(second);
    }
    assert.deepEqual(asked, [11]);
  });

  test('needs no timer with no more workers than pm.max_spare_servers', () => {
    for (const idle of [1, 4]) {
      const decision = decideScaling(dynamic, snapshotOf({ idle }), filled(dynamic));
      assert.equal(decision.callAgainInMs, undefined);
    }
  });
});

describe('ondemand', () => {
  /** What becomes of a pool that is first looked at at 0 and then at `nowMs`. */
  function later(nowMs: number, look: Partial<PoolSnapshot>): Decision {
    const start = decideScaling(ondemand, snapshotOf({ starting: 1 }), filled(ondemand));
    return decideScaling(ondemand, snapshotOf({ nowMs, ...look }), start.memory);
  }

  test('is called a little after the first may be due', () => {
    const { callAgainInMs } = decideScaling(ondemand, snapshotOf({ starting: 1 }), filled(ondemand));
    assert.equal(callAgainInMs, 11_000);
    assert.equal(later(4000, { idle: 1 }).callAgainInMs, 7000);
  });

  test('asks for the idle workers then, and lets all that are due go', () => {
    assert.equal(later(10_500, { idle: 5 }).wantsIdleWorkers, false);
    assert.equal(later(11_000, { idle: 5 }).wantsIdleWorkers, true);
    assert.equal(later(11_000, { active: 5 }).wantsIdleWorkers, false);
    const workers = [
      ...idleWorkers(2, { idleSinceMs: 400 }, 1),
      ...idleWorkers(1, { idleSinceMs: 1000 }, 3),
      ...idleWorkers(1, { idleSinceMs: 1001 }, 4),
      ...idleWorkers(1, { idleSinceMs: 500, isKeptAlive: true, memoryBytes: 5000 }, 5),
    ];
    const decision = later(11_000, { idle: 4, keptAlive: 1, idleWorkers: workers });
    assert.deepEqual(decision.retire, [5, 1, 2, 3]);
    // The one left is due 1 ms later; others may join it.
    assert.equal(decision.callAgainInMs, 1001);
  });

  test('nobody goes while somebody waits', () => {
    const decision = later(11_000, { idle: 1, queued: 2, idleWorkers: idleWorkers(1) });
    assert.deepEqual(decision.retire, []);
    assert.equal(decision.callAgainInMs, 1000);
  });

  test('workers in use are looked at once in a timeout', () => {
    assert.equal(later(11_000, { active: 3 }).callAgainInMs, 11_000);
  });

  test('needs no timer without workers', () => {
    assert.equal(later(30_000, {}).callAgainInMs, undefined);
    assert.equal(later(30_000, { leaving: 1 }).callAgainInMs, undefined);
  });
});
