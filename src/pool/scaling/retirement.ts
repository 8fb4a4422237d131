import type { Count, Milliseconds, Pid } from '../../units.js';
import type { IdleWorker, ScalingMemory } from './types.js';

/** Which workers have to end, and when to decide again. */
export interface Shrinkage extends Pick<ScalingMemory, 'window' | 'dueAtMs'> {
  readonly retire: readonly Pid[];
  readonly wantsIdleWorkers: boolean;
  readonly callAgainInMs: Milliseconds | undefined;
}

/** Which workers end first: those with the most memory, among equals the oldest. */
export function chooseLeavers(workers: readonly IdleWorker[], most: Count): Pid[] {
  return [...workers]
    .sort((a, b) => b.memoryBytes - a.memoryBytes || a.startedAtMs - b.startedAtMs || a.pid - b.pid)
    .slice(0, Math.max(0, most))
    .map(({ pid }) => pid);
}

export function isIdleFor(worker: IdleWorker, nowMs: Milliseconds, timeoutMs: Milliseconds): boolean {
  return nowMs - worker.idleSinceMs >= timeoutMs;
}

/**
 * When the first of these has been idle for the timeout. One that is not among them becomes idle later than now, so
 * that without any it is the timeout from now.
 */
export function firstDueAtMs(
  workers: readonly IdleWorker[],
  nowMs: Milliseconds,
  timeoutMs: Milliseconds,
): Milliseconds {
  const sinceMs = workers.reduce((earliest, worker) => Math.min(earliest, worker.idleSinceMs), nowMs);
  return Math.max(nowMs, sinceMs + timeoutMs);
}

/** How much longer than the timeout a worker may stay idle, so that several go at once. */
export function slackMs(timeoutMs: Milliseconds): Milliseconds {
  return Math.min(1000, timeoutMs / 10);
}
