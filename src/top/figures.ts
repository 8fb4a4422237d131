import type { ControlLive, ControlMasterStatus } from '../control/target.js';
import type { LivePool, LiveWorker } from '../status/live.js';
import { type Buckets, bucketsSince, quantileS } from '../status/quantile.js';
import type { Bytes, Count, Milliseconds, Pid } from '../units.js';

/** What the kernel says of a process. */
export interface Usage {
  /** 100 is one core; since the last reading. */
  readonly cpuPercent?: number | undefined;
  readonly privateBytes?: Bytes | undefined;
}

export interface Latency {
  readonly p50Ms: Milliseconds | undefined;
  readonly p99Ms: Milliseconds | undefined;
}

/** What is not known is undefined: rates need two readings. */
export interface PoolFigures extends Latency {
  readonly pool: LivePool;
  readonly requestsPerS: number | undefined;
  readonly cpuPercent: number | undefined;
  readonly privateBytes: Bytes | undefined;
}

export interface WorkerFigures extends Usage {
  readonly pool: string;
  readonly worker: LiveWorker;
}

export interface Figures extends Latency {
  readonly master: ControlMasterStatus;
  readonly pools: readonly PoolFigures[];
  readonly workers: readonly WorkerFigures[];
  readonly workersLeftOut: Count;
  readonly active: Count;
  readonly maxChildren: Count;
  readonly listenQueue: Count;
  readonly requestsPerS: number | undefined;
  readonly privateBytes: Bytes | undefined;
}

/**
 * The figures from two readings of a master.
 *
 * @param before undefined at the first reading: then latencies are those since the start of each pool, and rates
 *   unknown
 */
export function figuresOf(
  now: ControlLive,
  before: ControlLive | undefined,
  usage: ReadonlyMap<Pid, Usage>,
): Figures {
  const pools = now.pools.map((pool) => {
    const earlier = before?.pools.find(({ name }) => name === pool.name);
    const elapsedMs = now.nowMs - (before?.nowMs ?? Number.NaN);
    return poolFigures(pool, isContinued(pool, earlier) ? earlier : undefined, elapsedMs, usage);
  });
  const recent = now.pools.map((pool) => recentBuckets(pool, before)).filter((each) => each !== undefined);
  return {
    master: now.master,
    pools,
    workers: now.pools.flatMap(({ name, workers }) =>
      workers.map((worker) => ({ ...usage.get(worker.pid), pool: name, worker })),
    ),
    workersLeftOut: sumOf(now.pools, ({ workersLeftOut }) => workersLeftOut) ?? 0,
    active: sumOf(now.pools, ({ active }) => active) ?? 0,
    maxChildren: sumOf(now.pools, ({ maxChildren }) => maxChildren) ?? 0,
    listenQueue: sumOf(now.pools, ({ listenQueue }) => listenQueue) ?? 0,
    requestsPerS: sumOf(pools, ({ requestsPerS }) => requestsPerS),
    privateBytes: sumOf(pools, ({ privateBytes }) => privateBytes),
    ...latencyOf(added(recent)),
  };
}

function poolFigures(
  pool: LivePool,
  before: LivePool | undefined,
  elapsedMs: Milliseconds,
  usage: ReadonlyMap<Pid, Usage>,
): PoolFigures {
  const used = pool.workers.map(({ pid }) => usage.get(pid));
  return {
    pool,
    requestsPerS:
      before !== undefined && elapsedMs > 0
        ? ((pool.requests - before.requests) * 1000) / elapsedMs
        : undefined,
    cpuPercent: sumOf(used, (each) => each?.cpuPercent),
    privateBytes: sumOf(used, (each) => each?.privateBytes),
    ...latencyOf(before === undefined ? pool.durations : bucketsSince(pool.durations, before.durations)),
  };
}

/** False after a reload, which begins to count anew. */
function isContinued(pool: LivePool, before: LivePool | undefined): before is LivePool {
  return before !== undefined && before.startEpochS === pool.startEpochS && before.requests <= pool.requests;
}

function recentBuckets(pool: LivePool, before: ControlLive | undefined): Buckets | undefined {
  const earlier = before?.pools.find(({ name }) => name === pool.name);
  return isContinued(pool, earlier) ? bucketsSince(pool.durations, earlier.durations) : pool.durations;
}

function added(all: readonly Buckets[]): Buckets | undefined {
  const [first] = all;
  if (first === undefined) return undefined;
  const counts = first.counts.map((_, index) =>
    all.reduce((sum, each) => sum + (each.counts[index] ?? 0), 0),
  );
  return { boundsS: first.boundsS, counts };
}

function latencyOf(buckets: Buckets | undefined): Latency {
  const ms = (share: number) => {
    const seconds = buckets === undefined ? undefined : quantileS(buckets, share);
    return seconds === undefined ? undefined : seconds * 1000;
  };
  return { p50Ms: ms(0.5), p99Ms: ms(0.99) };
}

/** The sum of the known values; undefined if there is none. */
function sumOf<Item>(
  items: readonly Item[],
  figureOf: (item: Item) => number | undefined,
): number | undefined {
  const known = items.map(figureOf).filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
}
