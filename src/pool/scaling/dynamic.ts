import type { Count, Milliseconds } from '../../units.js';
import type { Growth, Wish } from './growth.js';
import { alwaysIdle, type IdleWindow, nextPartInMs, observe, without } from './idle-window.js';
import { chooseLeavers, firstDueAtMs, isIdleFor, type Shrinkage, slackMs } from './retirement.js';
import {
  type IdleWorker,
  living,
  type PoolSnapshot,
  type ScalingMemory,
  type ScalingSettings,
} from './types.js';

export function dynamicWish({ minSpare, startServers }: ScalingSettings): Wish {
  return { spare: minSpare, start: startServers };
}

/**
 * `pm = dynamic` shrinks to `pm.max_spare_servers` idle workers, by what was too much for the whole of
 * `pm.process_idle_timeout`. Kept-alive workers follow only when no idle one is left to go, and only those whose
 * client has been silent for that time: no client loses its connection before.
 */
export function shrinkDynamic(
  settings: ScalingSettings,
  snapshot: PoolSnapshot,
  memory: ScalingMemory,
  growth: Growth,
): Shrinkage {
  const { nowMs, idle, keptAlive, idleWorkers } = snapshot;
  const { maxSpare, idleTimeoutMs } = settings;
  const lowest = Math.min(snapshot.lowestIdle ?? idle, idle);
  const window = observe(memory.window, { nowMs, idle, lowest }, idleTimeoutMs);
  const unused = idle + keptAlive - maxSpare;

  if (living(snapshot) <= maxSpare)
    return { retire: [], wantsIdleWorkers: false, callAgainInMs: undefined, window, dueAtMs: undefined };

  const dueAtMs = keptAlive > 0 && unused > 0 ? (memory.dueAtMs ?? nowMs + idleTimeoutMs) : undefined;
  const unchanged = { window, dueAtMs, callAgainInMs: nextPartInMs(window, nowMs, idleTimeoutMs) };
  if (growth.missing > 0) return { ...unchanged, retire: [], wantsIdleWorkers: false };

  const excess = Math.min(alwaysIdle(window), idle) - maxSpare;
  const isKeptAliveDue = idle <= maxSpare && dueAtMs !== undefined && nowMs >= dueAtMs;
  if (excess <= 0 && !isKeptAliveDue) return { ...unchanged, retire: [], wantsIdleWorkers: false };
  if (idleWorkers === undefined) return { ...unchanged, retire: [], wantsIdleWorkers: true };
  return excess > 0
    ? { ...unchanged, ...retireIdle(window, idleWorkers, excess), wantsIdleWorkers: false }
    : { ...unchanged, ...retireKeptAlive(settings, nowMs, idleWorkers, unused), wantsIdleWorkers: false };
}

function retireIdle(
  window: IdleWindow,
  workers: readonly IdleWorker[],
  excess: Count,
): Pick<Shrinkage, 'retire' | 'window'> {
  const retire = chooseLeavers(
    workers.filter(({ isKeptAlive }) => !isKeptAlive),
    excess,
  );
  return { retire, window: without(window, retire.length) };
}

function retireKeptAlive(
  { idleTimeoutMs }: ScalingSettings,
  nowMs: Milliseconds,
  workers: readonly IdleWorker[],
  unused: Count,
): Pick<Shrinkage, 'retire' | 'dueAtMs'> {
  const keptAlive = workers.filter(({ isKeptAlive }) => isKeptAlive);
  const due = keptAlive.filter((worker) => isIdleFor(worker, nowMs, idleTimeoutMs));
  const others = keptAlive.filter((worker) => !isIdleFor(worker, nowMs, idleTimeoutMs));
  return {
    retire: chooseLeavers(due, unused),
    dueAtMs: firstDueAtMs(others, nowMs, idleTimeoutMs) + slackMs(idleTimeoutMs),
  };
}
