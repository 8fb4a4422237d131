import { lineText } from '../text/harmless.js';
import type { Bytes, Count, Milliseconds, Pid, Seconds } from '../units.js';
import type { PoolMetrics } from './metrics-input.js';
import type { WorkerState, WorkerStatus } from './status.js';

// What `tsfpm top` and the live page are made of: plain numbers and harmless text, one moment of all pools. Counters only
// rise while `startEpochS` stays; who looks keeps the moments, the master keeps none.

export interface LiveSnapshot {
  /** Of the master, monotonic: what lies between two snapshots is what rates are counted over. */
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
  /** Requests ended, by how long they took. */
  readonly durations: {
    /** Upper bounds, without the last, which is infinite. */
    readonly boundsS: readonly Seconds[];
    /** How many fell into each alone; one more than the bounds. */
    readonly counts: readonly Count[];
    readonly sumS: Seconds;
  };
  /** Workers that ended, by why. */
  readonly deaths: Readonly<Record<string, Count>>;
  /** Why it cannot start workers. */
  readonly trouble?: string;
  /** Those with something in hand first, the longest first. */
  readonly workers: readonly LiveWorker[];
  /** Workers beyond those. */
  readonly workersLeftOut: Count;
}

export interface LiveWorker {
  readonly pid: Pid;
  readonly state: WorkerState;
  readonly ageS: Seconds;
  readonly requests: Count;
  /** Of the last request if idle, else since the present one came. */
  readonly durationMs: Milliseconds;
  /** The present or last request; empty where there was none. Without anything that ends a line or drives a terminal. */
  readonly method: string;
  readonly uri: string;
  readonly script: string;
  /** Where it was measured. */
  readonly privateBytes?: Bytes;
}

/** What a pool's status pages do not tell. */
export interface LiveFacts {
  readonly maxChildren: Count;
  readonly trouble: string | undefined;
  /** Most workers to tell of. */
  readonly mostWorkers: Count;
}

/** Over all pools; of more of them the busy ones are told. */
export const MOST_LIVE_WORKERS: Count = 2000;
/** What a line has room for. */
const MOST_TEXT: Count = 300;

/** @param metrics `privateBytes` where memory is to be told */
export function livePool(
  { status, requestDurations, deaths, privateBytes }: Omit<PoolMetrics, 'isUp' | 'forks'>,
  { maxChildren, trouble, mostWorkers }: LiveFacts,
): LivePool {
  const { upperBoundsS, counts, sumS } = requestDurations;
  const workers = status.processes
    .map((worker, index) => liveWorker(worker, privateBytes[index]))
    .sort((a, b) => Number(isBusy(b)) - Number(isBusy(a)) || b.durationMs - a.durationMs || a.pid - b.pid);
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
    durations: { boundsS: upperBoundsS, counts: counts.map(Number), sumS },
    deaths: Object.fromEntries([...deaths].map(([reason, count]) => [lineText(reason), Number(count)])),
    ...(trouble === undefined ? {} : { trouble: lineText(trouble) }),
    workers: workers.slice(0, Math.max(0, mostWorkers)),
    workersLeftOut: Math.max(0, workers.length - Math.max(0, mostWorkers)),
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

/** Characters that are not seen but turn a line around would make one request look like another. */
const INVISIBLE = /\p{Cf}/gu;

function shown(bytes: Buffer): string {
  const text = lineText(bytes).replace(INVISIBLE, '\ufffd');
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT - 1)}…` : text;
}
