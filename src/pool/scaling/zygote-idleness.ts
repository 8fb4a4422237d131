import {
  type Decision,
  living,
  type PoolSnapshot,
  type ScalingMemory,
  type ScalingSettings,
} from './types.js';

/** What becomes of a zygote that has no workers. */
export interface ZygoteIdleness
  extends Pick<Decision, 'endsZygote' | 'callAgainInMs'>,
    Pick<ScalingMemory, 'emptySinceMs'> {}

/**
 * The zygote of `pm = ondemand` outlives its last worker, since a warm opcache serves the next client sooner. After
 * `pm.zygote_idle_timeout` it ends, so that a pool without clients costs nothing.
 *
 * @see docs/scaling.md
 */
export function decideZygoteIdleness(
  { pm, zygoteIdleTimeoutMs }: ScalingSettings,
  snapshot: PoolSnapshot,
  memory: ScalingMemory,
): ZygoteIdleness {
  const { nowMs, hasZygote, mayFork, queued, leaving } = snapshot;
  const isEmpty = hasZygote && living(snapshot) + leaving === 0 && queued === 0;
  if (pm !== 'ondemand' || zygoteIdleTimeoutMs === 0 || !isEmpty)
    return { endsZygote: false, callAgainInMs: undefined, emptySinceMs: undefined };

  const emptySinceMs = memory.emptySinceMs ?? nowMs;
  const leftMs = Math.ceil(emptySinceMs + zygoteIdleTimeoutMs - nowMs);
  if (leftMs > 0) return { endsZygote: false, callAgainInMs: leftMs, emptySinceMs };
  // A pool that may not fork has a failure to get over first, and is called again when that is done.
  return { endsZygote: mayFork, callAgainInMs: undefined, emptySinceMs };
}
