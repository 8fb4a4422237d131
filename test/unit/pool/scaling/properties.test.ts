import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideScaling, initialScalingMemory } from '../../../../src/pool/scaling/decide.js';
import type { Decision, PoolSnapshot, ScalingSettings } from '../../../../src/pool/scaling/types.js';

// Whatever workers write into the scoreboard and whatever the kernel tells, for any sequence of looks.

const count = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 70 }) },
  { weight: 1, arbitrary: fc.integer() },
  { weight: 1, arbitrary: fc.double() },
);

const settings: fc.Arbitrary<ScalingSettings> = fc.record({
  pm: fc.constantFrom('static' as const, 'dynamic' as const, 'ondemand' as const),
  maxChildren: fc.integer({ min: 1, max: 60 }),
  startServers: fc.integer({ min: 0, max: 60 }),
  minSpare: fc.integer({ min: 0, max: 60 }),
  maxSpare: fc.integer({ min: 0, max: 60 }),
  maxSpawnRate: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  idleTimeoutMs: fc.constantFrom(1000, 10_000, 3_600_000),
  zygoteIdleTimeoutMs: fc.constantFrom(0, 1000, 300_000),
});

const idleWorker = fc.record({
  pid: fc.integer({ min: 1, max: 100 }),
  startedAtMs: fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.double()),
  idleSinceMs: fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.double()),
  memoryBytes: fc.oneof(fc.nat(), fc.double()),
  isKeptAlive: fc.boolean(),
});

const look = fc.record({
  nowMs: fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 0, max: 200_000 }) },
    { weight: 1, arbitrary: fc.double() },
  ),
  idle: count,
  keptAlive: count,
  active: count,
  starting: count,
  leaving: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: count }),
  queued: count,
  lowestIdle: fc.option(count, { nil: undefined }),
  room: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), count),
  hasZygote: fc.boolean(),
  mayFork: fc.boolean(),
  idleWorkers: fc.option(fc.array(idleWorker, { maxLength: 30 }), { nil: undefined }),
});

const sane = (value: number): number =>
  Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, 0), 2 ** 22));

function check(settings: ScalingSettings, snapshot: PoolSnapshot, decision: Decision): void {
  const { fork, retire, callAgainInMs, wakeBelowIdle, watchQueue } = decision;
  const { pm, maxChildren } = settings;
  const idle = sane(snapshot.idle);
  const keptAlive = sane(snapshot.keptAlive);
  const present = idle + keptAlive + sane(snapshot.active) + sane(snapshot.starting) + sane(snapshot.leaving);

  assert.ok(Number.isSafeInteger(fork) && fork >= 0);
  assert.ok(fork <= Math.max(0, maxChildren - present), 'pm.max_children');
  assert.ok(fork <= sane(snapshot.room), 'process.max');
  assert.ok(snapshot.mayFork || fork === 0);
  assert.ok(fork === 0 || retire.length === 0);

  const isIdleZygote = pm === 'ondemand' && snapshot.hasZygote && snapshot.mayFork && present === 0;
  assert.ok(!decision.endsZygote || (isIdleZygote && sane(snapshot.queued) === 0));

  const known = new Map(snapshot.idleWorkers?.map((worker) => [worker.pid, worker]));
  assert.equal(new Set(retire).size, retire.length);
  assert.ok(retire.every((pid) => known.has(pid)));
  if (pm === 'static') assert.equal(retire.length, 0);
  if (pm === 'dynamic') {
    const maxSpare = Math.min(settings.maxSpare, maxChildren);
    assert.ok(retire.length <= Math.max(0, idle + keptAlive - maxSpare));
    const idleLeavers = retire.filter((pid) => known.get(pid)?.isKeptAlive === false).length;
    assert.ok(idleLeavers <= Math.max(0, idle - maxSpare));
  }

  assert.ok(callAgainInMs === undefined || (callAgainInMs >= 1 && callAgainInMs <= 86_400_000));
  assert.ok(!(watchQueue && wakeBelowIdle > 0) && !(watchQueue && idle > 0));
  assert.ok(Number.isSafeInteger(wakeBelowIdle) && wakeBelowIdle >= 0);
  assert.ok(!decision.wantsIdleWorkers || snapshot.idleWorkers === undefined);
  assert.ok(JSON.stringify(decision.memory).length < 1000);
}

test('no look, and no sequence of looks, leads beyond a limit', () => {
  fc.assert(
    fc.property(settings, fc.array(look, { maxLength: 30 }), (settings, looks) => {
      let memory = initialScalingMemory(settings, 0);
      for (const snapshot of looks) {
        const decision = decideScaling(settings, snapshot, memory);
        check(settings, snapshot, decision);
        memory = decision.memory;
      }
    }),
    { numRuns: 1500 },
  );
});

test('a filled pool never forks more than wait and are spare, less those on their way', () => {
  fc.assert(
    fc.property(settings, look, (settings, snapshot) => {
      fc.pre(settings.pm !== 'static');
      const memory = { ...initialScalingMemory(settings, 0), isFilled: true };
      const spare = settings.pm === 'dynamic' ? settings.minSpare : 0;
      const wanted = sane(snapshot.queued) + spare;
      const { fork } = decideScaling(settings, snapshot, memory);
      assert.ok(fork <= Math.max(0, wanted - sane(snapshot.idle) - sane(snapshot.starting)));
    }),
  );
});

test('asked again after its forks, it wants no more', () => {
  fc.assert(
    fc.property(settings, look, (settings, snapshot) => {
      fc.pre(settings.maxSpawnRate === undefined && sane(snapshot.starting) === snapshot.starting);
      const first = decideScaling(settings, snapshot, initialScalingMemory(settings, 0));
      const after = {
        ...snapshot,
        starting: snapshot.starting + first.fork,
        room: sane(snapshot.room) - first.fork,
      };
      assert.equal(decideScaling(settings, after, first.memory).fork, 0);
    }),
  );
});

test('the same question has the same answer, and nothing that was passed in changes', () => {
  fc.assert(
    fc.property(settings, look, (settings, snapshot) => {
      const memory = initialScalingMemory(settings, 0);
      const before = structuredClone({ settings, snapshot, memory });
      const decision = decideScaling(settings, snapshot, memory);
      assert.deepEqual(decideScaling(settings, snapshot, memory), decision);
      assert.deepEqual(structuredClone({ settings, snapshot, memory }), before);
    }),
  );
});

test('pm.max_spawn_rate holds over any second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.nat({ max: 400 })), (rate, waits) => {
      const limited: ScalingSettings = {
        pm: 'ondemand',
        maxChildren: 10_000,
        startServers: 0,
        minSpare: 0,
        maxSpare: 0,
        maxSpawnRate: rate,
        idleTimeoutMs: 10_000,
        zygoteIdleTimeoutMs: 0,
      };
      let memory = initialScalingMemory(limited, 0);
      let [nowMs, active] = [0, 0];
      const forks: { atMs: number; count: number }[] = [];
      for (const wait of waits) {
        nowMs += wait;
        const snapshot = { ...quiet, nowMs, active, queued: 1000 };
        const decision = decideScaling(limited, snapshot, memory);
        memory = decision.memory;
        active += decision.fork;
        forks.push({ atMs: nowMs, count: decision.fork });
      }
      for (const { atMs } of forks) {
        const within = forks.filter((each) => each.atMs >= atMs && each.atMs < atMs + 1000);
        // The burst that was saved up, and what a second adds.
        assert.ok(within.reduce((sum, each) => sum + each.count, 0) <= 2 * rate);
      }
    }),
    { numRuns: 200 },
  );
});

const quiet: PoolSnapshot = {
  nowMs: 0,
  idle: 0,
  keptAlive: 0,
  active: 0,
  starting: 0,
  leaving: 0,
  queued: 0,
  lowestIdle: undefined,
  room: Number.POSITIVE_INFINITY,
  hasZygote: true,
  mayFork: true,
  idleWorkers: undefined,
};
