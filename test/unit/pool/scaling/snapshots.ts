import { decideScaling, initialScalingMemory } from '../../../../src/pool/scaling/decide.js';
import type {
  Decision,
  IdleWorker,
  PoolSnapshot,
  ScalingMemory,
  ScalingSettings,
} from '../../../../src/pool/scaling/types.js';

/** A pool without workers at time 0, where everything is known and allowed. */
export function snapshotOf(changes: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
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
    ...changes,
  };
}

/** Of a pool whose first fill is done. */
export function filled(settings: ScalingSettings, nowMs = 0): ScalingMemory {
  return { ...initialScalingMemory(settings, nowMs), isFilled: true };
}

/** Snapshots one after another, with the memory passed on; the decisions. */
export function decideAll(
  settings: ScalingSettings,
  looks: readonly Partial<PoolSnapshot>[],
  memory: ScalingMemory = filled(settings),
): Decision[] {
  let latest = memory;
  return looks.map((look) => {
    const decision = decideScaling(settings, snapshotOf(look), latest);
    latest = decision.memory;
    return decision;
  });
}

/** `count` of them with pids from `firstPid`, alike but for the pid. */
export function idleWorkers(count: number, changes: Partial<IdleWorker> = {}, firstPid = 1): IdleWorker[] {
  return Array.from({ length: count }, (_, index) => ({
    pid: firstPid + index,
    startedAtMs: 0,
    idleSinceMs: 0,
    memoryBytes: 1000,
    isKeptAlive: false,
    ...changes,
  }));
}
