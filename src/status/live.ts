import { lineText } from '../text/harmless.js';
import type { Bytes, Count, Milliseconds, Pid, Seconds } from '../units.js';
import type { PoolMetrics } from './metrics-input.js';
import type { WorkerState, WorkerStatus } from './status.js';

// What `tsfpm top` and the live page show: all pools at one moment, as plain numbers and harmless text. A pool's
// counters only rise while its `startEpochS` stays the same. Whoever shows rates keeps earlier snapshots; the master
// keeps none.

export interface LiveSnapshot {
  /** The master's monotonic clock: rates are counted over the time between two snapshots. */
  readonly nowMs: Milliseconds;
  readonly pools: readonly LivePool[];
}

export interface LivePool {
  readonly name: string;
  readonly processManager: string;
  readonly startEpochS: Seconds;
  readonly maxChildren: Count;
  readonly idle: Count;
  readonly active: Count;
  readonly maxActive: Count;
  readonly maxChildrenReached: Count;
  readonly listenQueue: Count;
  readonly maxListenQueue: Count;
  readonly listenQueueLen: Count;
  /** Requests begun. */
  readonly requests: Count;
  readonly slowRequests: Count;
  /** Finished requests whose HTTP status was 5xx. */
  readonly serverErrors: Count;
  /** Clients that got 503 from the listen queue, and those that had left it. */
  readonly refused: Count;
  readonly gone: Count;
  /** Requests ended, by how long they took. */
  readonly durations: {
    /** Upper bounds, without the last, which is infinite. */
    readonly boundsS: readonly Seconds[];
    /** Requests in each bucket alone, not the sum so far; one more than the bounds. */
    readonly counts: readonly Count[];
    readonly sumS: Seconds;
  };
  /** Workers that ended, by reason. */
  readonly deaths: Readonly<Record<string, Count>>;
  /** An idle ondemand pool has none. */
  readonly hasZygote: boolean;
  /** Why it cannot start workers. */
  readonly trouble?: string;
  /** Memory that its workers share with nobody; undefined where it was not measured. */
  readonly privateBytes?: Bytes;
  /** Workers with a request first, the longest request first. */
  readonly workers: readonly LiveWorker[];
  /** How many workers are not in `workers`. */
  readonly workersLeftOut: Count;
}

export interface LiveWorker {
  readonly pid: Pid;
  readonly state: WorkerState;
  readonly ageS: Seconds;
  readonly requests: Count;
  /** Duration of the last request if idle; otherwise of the present one so far. */
  readonly durationMs: Milliseconds;
  /** The present or last request; empty if there was none. Safe to show on a terminal: see lineText. */
  readonly method: string;
  readonly uri: string;
  readonly script: string;
  /** undefined where it was not measured. */
  readonly privateBytes?: Bytes;
}

/** What a pool's status pages do not tell. */
export interface LiveFacts {
  readonly maxChildren: Count;
  readonly trouble: string | undefined;
  /** Most workers to tell of. */
  readonly mostWorkers: Count;
  /** Default true. */
  readonly withIdleWorkers?: boolean;
}

/** Most workers over all pools; where there are more, those with a request are listed alone. */
export const MOST_LIVE_WORKERS: Count = 1000;
/** Longest text of a request, for one line. */
const MOST_TEXT: Count = 300;

/** @param metrics with `privateBytes` if memory is to be shown */
export function livePool(
  {
    status,
    hasZygote,
    requestDurations,
    responses,
    deaths,
    privateBytes,
  }: Omit<PoolMetrics, 'isUp' | 'forks' | 'cpuS' | 'maxChildren'>,
  { maxChildren, trouble, mostWorkers, withIdleWorkers = true }: LiveFacts,
): LivePool {
  const { upperBoundsS, counts, sumS } = requestDurations;
  const workers = status.processes
    .map((worker, index) => liveWorker(worker, privateBytes[index]))
    .sort((a, b) => Number(isBusy(b)) - Number(isBusy(a)) || b.durationMs - a.durationMs || a.pid - b.pid);
  const listed = workers
    .filter((worker) => withIdleWorkers || isBusy(worker))
    .slice(0, Math.max(0, mostWorkers));
  const measured = privateBytes.filter((bytes) => bytes !== undefined);
  return {
    name: lineText(status.name),
    processManager: status.processManager,
    startEpochS: status.startEpochS,
    maxChildren,
    idle: status.idle,
    active: status.active,
    maxActive: status.maxActive,
    maxChildrenReached: status.maxChildrenReached,
    listenQueue: status.listenQueue,
    maxListenQueue: status.maxListenQueue,
    listenQueueLen: status.listenQueueLen,
    requests: Number(status.acceptedConn),
    slowRequests: Number(status.slowRequests),
    serverErrors: Number(responses.get('5xx') ?? 0),
    refused: status.refused.timeout + status.refused.max,
    gone: Number(status.gone),
    durations: { boundsS: upperBoundsS, counts: counts.map(Number), sumS },
    deaths: Object.fromEntries([...deaths].map(([reason, count]) => [lineText(reason), Number(count)])),
    hasZygote,
    ...(trouble === undefined ? {} : { trouble: lineText(trouble) }),
    ...(measured.length === 0 ? {} : { privateBytes: measured.reduce((sum, bytes) => sum + bytes, 0) }),
    workers: listed,
    workersLeftOut: workers.length - listed.length,
  };
}

export function isBusy({ state }: Pick<LiveWorker, 'state'>): boolean {
  return state !== 'Idle';
}

function liveWorker(worker: WorkerStatus, privateBytes: Bytes | undefined): LiveWorker {
  const { uri, query } = worker;
  return {
    pid: worker.pid,
    state: worker.state,
    ageS: worker.startSinceS,
    requests: Number(worker.requests),
    durationMs: Number(worker.requestDurationUs) / 1000,
    method: shown(worker.method),
    uri: shown(query.length === 0 ? uri : Buffer.concat([uri, Buffer.from('?'), query])),
    script: shown(worker.script),
    ...(privateBytes === undefined ? {} : { privateBytes }),
  };
}

/**
 * Invisible characters, such as those that reverse the direction of a line, could make one request look like another.
 */
const INVISIBLE = /\p{Cf}/gu;

function shown(bytes: Buffer): string {
  const text = lineText(bytes).replace(INVISIBLE, '\ufffd');
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT - 1)}…` : text;
}
