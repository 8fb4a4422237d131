import { constants } from 'node:os';
import type { ExitStatus } from '../os/process.js';
import type { Reason } from '../overload/episode.js';
import { DURATION_BUCKETS, STATUS_CLASSES } from '../scoreboard/layout.js';
import type { RequestSums, Scoreboard } from '../scoreboard/scoreboard.js';
import type { Count, Milliseconds } from '../units.js';
import { isCrash } from './crashes.js';
import type { EndedWorker } from './worker-table.js';

const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name.replace(/^SIG/, '')]),
);

/** What a pool has counted since it was made: over all generations, those that have ended included. */
export class PoolHistory {
  readonly startEpochMs: Milliseconds;
  forks: Count = 0;
  /** Requests that took longer than request_slowlog_timeout. */
  slowRequests = 0n;
  /** Clients that got 503 instead of a worker, for `queue.timeout` or `queue.max`. */
  readonly refused: Record<Reason, Count> = { timeout: 0, max: 0 };
  /** Clients that had left the queue before they were served. */
  gone = 0n;
  /** Deaths by reason: `retired`, `max_memory`, `timed out`, `exit 0`, `signal SEGV`. */
  readonly deaths = new Map<string, Count>();
  /** Like the other numbers below, counted over the generations that have ended. */
  accepted = 0n;
  memoryPeak = 0n;
  maxActive: Count = 0;
  sums: RequestSums = {
    durationNs: 0n,
    durationBuckets: new Array(DURATION_BUCKETS).fill(0n),
    cpuNs: 0n,
    statusClasses: new Array(STATUS_CLASSES.length).fill(0n),
  };

  constructor(startEpochMs: Milliseconds) {
    this.startEpochMs = startEpochMs;
  }

  addDeath({
    status,
    wasRetired,
    wasTimedOut,
    endReason,
  }: Pick<EndedWorker, 'status' | 'wasRetired' | 'wasTimedOut' | 'endReason'>): void {
    // A time-out or a crash counts before what the worker had been told to do.
    const reason = wasTimedOut
      ? 'timed out'
      : isCrash(status)
        ? deathReason(status)
        : (endReason ?? (wasRetired ? 'retired' : deathReason(status)));
    this.deaths.set(reason, (this.deaths.get(reason) ?? 0) + 1);
  }

  /** The numbers of a generation whose workers have all ended, before its memory goes. */
  addGeneration(scoreboard: Scoreboard): void {
    const header = scoreboard.header();
    this.accepted += header.pastAccepted;
    this.gone += header.gone;
    this.memoryPeak = larger(this.memoryPeak, header.pastMemoryPeak);
    this.maxActive = Math.max(this.maxActive, header.maxActive);
    this.sums = addSums(this.sums, header.pastSums);
  }
}

function deathReason(status: ExitStatus | undefined): string {
  if (status === undefined) return 'unknown';
  if (status.kind === 'exited') return `exit ${status.code}`;
  return `signal ${SIGNAL_NAMES.get(status.signal) ?? status.signal}`;
}

export function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

export function addSums(a: RequestSums, b: RequestSums): RequestSums {
  const added = (some: readonly bigint[], more: readonly bigint[]) =>
    some.map((count, index) => count + (more[index] ?? 0n));
  return {
    durationNs: a.durationNs + b.durationNs,
    durationBuckets: added(a.durationBuckets, b.durationBuckets),
    cpuNs: a.cpuNs + b.cpuNs,
    statusClasses: added(a.statusClasses, b.statusClasses),
  };
}
