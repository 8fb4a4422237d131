import type { Growth, Wish } from './growth.js';
import { chooseLeavers, firstDueAtMs, isIdleFor, type Shrinkage, slackMs } from './retirement.js';
import { living, type PoolSnapshot, type ScalingMemory, type ScalingSettings } from './types.js';

/** No worker waits for requests that may never come. */
export const ONDEMAND_WISH: Wish = { spare: 0, start: 0 };

/**
 * `pm = ondemand` lets every worker end that has been idle for `pm.process_idle_timeout`, kept-alive ones too: one call
 * a little after the first is due takes several at once, and workers that are used are never touched.
 */
export function shrinkOndemand(
  { idleTimeoutMs }: ScalingSettings,
  snapshot: PoolSnapshot,
  memory: ScalingMemory,
  growth: Growth,
): Shrinkage {
  const { nowMs, idleWorkers } = snapshot;
  const { window } = memory;
  if (living(snapshot) === 0)
    return { retire: [], wantsIdleWorkers: false, callAgainInMs: undefined, window, dueAtMs: undefined };

  // No worker of a pool that had none can be due earlier.
  const dueAtMs = memory.dueAtMs ?? nowMs + idleTimeoutMs;
  const untilLookMs = Math.ceil(dueAtMs + slackMs(idleTimeoutMs) - nowMs);
  const wait = { retire: [], window, wantsIdleWorkers: false };
  if (untilLookMs > 0) return { ...wait, dueAtMs, callAgainInMs: untilLookMs };
  if (growth.missing > 0) return { ...wait, ...lookAfter(nowMs) };
  if (idleWorkers === undefined && snapshot.idle + snapshot.keptAlive > 0)
    return { ...wait, wantsIdleWorkers: true, dueAtMs, callAgainInMs: 1 };

  const workers = idleWorkers ?? [];
  const due = workers.filter((worker) => isIdleFor(worker, nowMs, idleTimeoutMs));
  const others = workers.filter((worker) => !isIdleFor(worker, nowMs, idleTimeoutMs));
  return {
    ...wait,
    retire: chooseLeavers(due, due.length),
    ...lookAfter(firstDueAtMs(others, nowMs, idleTimeoutMs)),
  };

  function lookAfter(at: number): Pick<Shrinkage, 'dueAtMs' | 'callAgainInMs'> {
    return { dueAtMs: at, callAgainInMs: Math.max(1, Math.ceil(at + slackMs(idleTimeoutMs) - nowMs)) };
  }
}
