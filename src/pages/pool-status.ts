import type { Generation } from '../pool/generation.js';
import { addSums, larger } from '../pool/history.js';
import type { Pool } from '../pool/pool.js';
import type { KnownWorker } from '../pool/worker-table.js';
import { NO_REQUEST, requestFields } from '../request/fields.js';
import { DURATION_BOUNDS_S, STATUS_CLASSES } from '../scoreboard/layout.js';
import type { HeaderSnapshot, SlotSnapshot } from '../scoreboard/scoreboard.js';
import { type LivePool, type LiveSnapshot, livePool, MOST_LIVE_WORKERS } from '../status/live.js';
import type { PoolMetrics } from '../status/metrics-input.js';
import { type PoolStatus, STATE_OF_STAGE, type WorkerStatus } from '../status/status.js';
import type { Bytes, Milliseconds, Pid } from '../units.js';
import { memoryEstimate } from '../watch/memory-estimate.js';

/** A pool at this moment, for its pages. */
export function poolStatus(pool: Pool, nowMs: Milliseconds): PoolStatus {
  return statusOf(pool, readGeneration(pool.generation), nowMs);
}

function statusOf(pool: Pool, { header, workers }: GenerationReading, nowMs: Milliseconds): PoolStatus {
  const { config, history, scaler } = pool;
  const accepted = workers.reduce((sum, { snapshot }) => sum + (snapshot?.accepted ?? 0n), 0n);
  const peak = workers.reduce((most, { snapshot }) => larger(most, snapshot?.memoryPeak ?? 0n), 0n);
  const queue = scaler.queue();
  const idle = workers.filter(({ snapshot }) => isIdle(snapshot)).length;
  return {
    name: config.name,
    processManager: config.pm,
    startEpochS: Math.floor(history.startEpochMs / 1000),
    startSinceS: Math.floor((Date.now() - history.startEpochMs) / 1000),
    acceptedConn: history.accepted + (header?.pastAccepted ?? 0n) + accepted,
    listenQueue: queue.length,
    maxListenQueue: queue.max,
    listenQueueLen: queue.limit,
    idle,
    active: workers.length - idle,
    total: workers.length,
    maxActive: Math.max(history.maxActive, header?.maxActive ?? 0),
    maxChildrenReached: scaler.maxChildrenReached,
    slowRequests: history.slowRequests,
    refused: history.refused,
    gone: history.gone + (header?.gone ?? 0n),
    kept: pool.kept.counts,
    memoryPeak: larger(larger(history.memoryPeak, header?.pastMemoryPeak ?? 0n), peak),
    processes: workers.map(({ worker, snapshot }) => workerStatus(worker, snapshot, nowMs)),
  };
}

/** All pools for /metrics, each as it is when it is asked for: what their status pages show, and more. */
export function* poolMetrics(pools: readonly Pool[]): Generator<PoolMetrics> {
  const memoryOf = memoryEstimate();
  for (const pool of pools) yield metricsOf(pool, performance.now(), memoryOf);
}

export interface LiveContent {
  readonly withMemory: boolean;
}

/** Pools at one moment, for `tsfpm top`, which measures memory by itself, and for a pool's live page. */
export function liveSnapshot(pools: readonly Pool[], content: LiveContent): LiveSnapshot {
  return { nowMs: performance.now(), pools: [...livePools(pools, content)] };
}

/** Each as it is when it is asked for. Not more workers than {@link MOST_LIVE_WORKERS}. */
export function* livePools(pools: readonly Pool[], { withMemory }: LiveContent): Generator<LivePool> {
  const memoryOf = withMemory ? memoryEstimate() : () => undefined;
  const workerCount = pools.reduce((sum, { generation }) => sum + (generation?.workers().length ?? 0), 0);
  const withIdleWorkers = workerCount <= MOST_LIVE_WORKERS;
  let mostWorkers = MOST_LIVE_WORKERS;
  for (const pool of pools) {
    const { config, trouble } = pool;
    const metrics = metricsOf(pool, performance.now(), memoryOf);
    const facts = { maxChildren: config.pmMaxChildren, trouble, mostWorkers, withIdleWorkers };
    const live = livePool(metrics, facts);
    mostWorkers -= live.workers.length;
    yield live;
  }
}

function metricsOf(pool: Pool, nowMs: Milliseconds, memoryOf: (pid: Pid) => Bytes | undefined): PoolMetrics {
  const reading = readGeneration(pool.generation);
  const status = statusOf(pool, reading, nowMs);
  const { history } = pool;
  let { sums } = history;
  if (reading.header !== undefined) sums = addSums(sums, reading.header.pastSums);
  for (const { snapshot } of reading.workers) if (snapshot !== undefined) sums = addSums(sums, snapshot.sums);
  return {
    status,
    isUp: pool.trouble === undefined,
    hasZygote: pool.generation !== undefined,
    requestDurations: {
      upperBoundsS: DURATION_BOUNDS_S,
      counts: sums.durationBuckets,
      sumS: Number(sums.durationNs) / 1e9,
    },
    responses: new Map(STATUS_CLASSES.map((name, index) => [name, sums.statusClasses[index] ?? 0n])),
    cpuS: Number(sums.cpuNs) / 1e9,
    maxChildren: pool.config.pmMaxChildren,
    privateBytes: status.processes.map(({ pid }) => memoryOf(pid)),
    forks: history.forks,
    deaths: history.deaths,
  };
}

interface WorkerSnapshot {
  readonly worker: KnownWorker;
  /** undefined while it starts, or where it keeps writing. */
  readonly snapshot: SlotSnapshot | undefined;
}

/** What the sums and the workers say at one moment. */
interface GenerationReading {
  readonly header: HeaderSnapshot | undefined;
  readonly workers: readonly WorkerSnapshot[];
}

/** A worker that ends meanwhile moves from its slot to the sums and would be missed or count twice: read again. */
const READING_TRIES = 5;

function readGeneration(generation: Generation | undefined): GenerationReading {
  if (generation === undefined) return { header: undefined, workers: [] };
  let header = generation.scoreboard.header();
  for (let left = READING_TRIES; ; left--) {
    const workers = snapshotWorkers(generation);
    const after = generation.scoreboard.header();
    const isWhole =
      after.pastAccepted === header.pastAccepted && workers.every(({ snapshot }) => snapshot !== undefined);
    if (isWhole || left === 0) return { header: after, workers };
    header = after;
  }
}

/** Which workers there are the zygote tells; what they do they tell themselves. */
function snapshotWorkers(generation: Generation): WorkerSnapshot[] {
  return generation
    .workers()
    .map((worker) => ({ worker, snapshot: generation.scoreboard.snapshot(worker.slot) }));
}

function isIdle(snapshot: SlotSnapshot | undefined): boolean {
  return snapshot === undefined || STATE_OF_STAGE[snapshot.stage] === 'Idle';
}

function workerStatus(
  worker: KnownWorker,
  snapshot: SlotSnapshot | undefined,
  nowMs: Milliseconds,
): WorkerStatus {
  const sinceMs = nowMs - worker.startedAtMs;
  const idle = isIdle(snapshot);
  const durationNs = snapshot?.requestDurationNs ?? 0n;
  return {
    pid: worker.pid,
    state: snapshot === undefined ? 'Idle' : STATE_OF_STAGE[snapshot.stage],
    startEpochS: Math.floor((Date.now() - sinceMs) / 1000),
    startSinceS: Math.floor(sinceMs / 1000),
    requests: snapshot?.accepted ?? 0n,
    requestDurationUs: snapshot === undefined ? 0n : requestDurationUs(snapshot, idle),
    ...(snapshot === undefined ? NO_REQUEST : requestFields(snapshot.params)),
    ...(snapshot?.hasNoScript === true ? { script: NO_REQUEST.script } : {}),
    lastRequestCpuPercent:
      idle && snapshot !== undefined && durationNs > 0n
        ? (Number(snapshot.requestCpuNs) / Number(durationNs)) * 100
        : 0,
    lastRequestMemory: idle ? (snapshot?.requestMemory ?? 0n) : 0n,
  };
}

/** How long an idle worker's last request took, or how long a busy worker's present one has taken so far. */
function requestDurationUs(snapshot: SlotSnapshot, idle: boolean): bigint {
  const ns = idle ? snapshot.requestDurationNs : process.hrtime.bigint() - snapshot.requestStartNs;
  return larger(ns, 0n) / 1000n;
}
