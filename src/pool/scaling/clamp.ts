import type { Count } from '../../units.js';
import type { IdleWorker, PoolSnapshot, ScalingSettings } from './types.js';

/** More than any machine has processes: Linux numbers them up to 2^22. */
const MOST = 2 ** 22;

/** A whole number from 0 to {@link MOST}; what is not a number is 0. */
function clampCount(value: number): Count {
  return Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, 0), MOST));
}

const finite = (value: number): number => (Number.isFinite(value) ? value : 0);

const clampOptional = (value: Count | undefined): Count | undefined =>
  value === undefined ? undefined : clampCount(value);

/** Numbers that the rules can be applied to without further checks. */
export function clampSnapshot(snapshot: PoolSnapshot): PoolSnapshot {
  const idle = clampCount(snapshot.idle);
  return {
    ...snapshot,
    nowMs: finite(snapshot.nowMs),
    idle,
    keptAlive: clampCount(snapshot.keptAlive),
    active: clampCount(snapshot.active),
    starting: clampCount(snapshot.starting),
    leaving: clampCount(snapshot.leaving),
    silent: clampCount(snapshot.silent ?? 0),
    queued: clampCount(snapshot.queued),
    lowestIdle: clampOptional(snapshot.lowestIdle),
    room: clampCount(snapshot.room),
    idleWorkers: snapshot.idleWorkers === undefined ? undefined : clampWorkers(snapshot.idleWorkers),
  };
}

/** Each pid once. */
function clampWorkers(workers: readonly IdleWorker[]): IdleWorker[] {
  const byPid = new Map<number, IdleWorker>();
  for (const worker of workers) {
    byPid.set(worker.pid, {
      ...worker,
      startedAtMs: finite(worker.startedAtMs),
      idleSinceMs: finite(worker.idleSinceMs),
      memoryBytes: finite(worker.memoryBytes),
    });
  }
  return [...byPid.values()];
}

/** The rules of the configuration hold: spare servers within `pm.max_children`, minimum below maximum. */
export function clampSettings(settings: ScalingSettings): ScalingSettings {
  const maxChildren = clampCount(settings.maxChildren);
  const maxSpare = Math.min(clampCount(settings.maxSpare), maxChildren);
  return {
    pm: settings.pm,
    maxChildren,
    startServers: Math.min(clampCount(settings.startServers), maxChildren),
    minSpare: Math.min(clampCount(settings.minSpare), maxSpare),
    maxSpare,
    maxSpawnRate:
      settings.maxSpawnRate === undefined ? undefined : Math.max(1, clampCount(settings.maxSpawnRate)),
    idleTimeoutMs: Math.max(1, finite(settings.idleTimeoutMs)),
    zygoteIdleTimeoutMs: Math.max(0, finite(settings.zygoteIdleTimeoutMs)),
  };
}
