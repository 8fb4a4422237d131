import { NO_REQUEST } from '../../../src/request/fields.js';
import type { MetricsInput, PoolMetrics } from '../../../src/status/metrics-input.js';
import type { PoolStatus, WorkerStatus } from '../../../src/status/status.js';

/** 22/Nov/2026:11:26:29 UTC */
export const START_EPOCH_S = 1795346789;

export const IDLE_WORKER: WorkerStatus = {
  pid: 17318,
  state: 'Idle',
  startEpochS: START_EPOCH_S,
  startSinceS: 61,
  requests: 12n,
  requestDurationUs: 459n,
  method: Buffer.from('GET'),
  uri: Buffer.from('/index.php'),
  query: Buffer.from('a=1&b=2'),
  contentLength: 0n,
  user: Buffer.from('joe'),
  script: Buffer.from('/srv/app/index.php'),
  lastRequestCpuPercent: 43.478,
  lastRequestMemory: 2097152n,
};

export const RUNNING_WORKER: WorkerStatus = {
  ...IDLE_WORKER,
  pid: 17319,
  state: 'Running',
  requests: 1n,
  requestDurationUs: 1500000n,
  method: Buffer.from('POST'),
  uri: Buffer.from('/form.php'),
  query: Buffer.alloc(0),
  contentLength: 77n,
  user: Buffer.alloc(0),
  lastRequestCpuPercent: 0,
  lastRequestMemory: 0n,
};

export const NEW_WORKER: WorkerStatus = {
  ...NO_REQUEST,
  pid: 17320,
  state: 'Idle',
  startEpochS: START_EPOCH_S + 60,
  startSinceS: 1,
  requests: 0n,
  requestDurationUs: 0n,
  lastRequestCpuPercent: 0,
  lastRequestMemory: 0n,
};

/** Bytes that break out of every format, as a client could send them. */
export const HOSTILE = Buffer.from(
  '"\'<script>alert(1)</script>&\\/]]>\u0001\r\npid:                  1\u001b[2J\u007f\u0085\u2028\ufffe\ufffd😀',
);

export const HOSTILE_WORKER: WorkerStatus = {
  ...IDLE_WORKER,
  pid: 17321,
  method: HOSTILE,
  uri: Buffer.concat([HOSTILE, Buffer.of(0xff, 0xc3)]),
  query: HOSTILE,
  user: HOSTILE,
  script: HOSTILE,
  requests: 2n ** 64n - 1n,
  requestDurationUs: -5n,
  lastRequestCpuPercent: Number.POSITIVE_INFINITY,
};

export const POOL: PoolStatus = {
  name: 'www',
  processManager: 'dynamic',
  startEpochS: START_EPOCH_S,
  startSinceS: 61,
  acceptedConn: 4711n,
  listenQueue: 3,
  maxListenQueue: 17,
  listenQueueLen: 511,
  idle: 2,
  active: 1,
  total: 3,
  maxActive: 2,
  maxChildrenReached: 1,
  slowRequests: 5n,
  refused: { timeout: 7, max: 2 },
  gone: 3n,
  kept: { idle: 12, ready: 4, closed: 1 },
  memoryPeak: 4194304n,
  processes: [IDLE_WORKER, RUNNING_WORKER, NEW_WORKER],
};

export const HOSTILE_POOL: PoolStatus = {
  ...POOL,
  name: 'w"<&>\\\n',
  acceptedConn: 2n ** 70n,
  listenQueue: 1e21,
  maxListenQueue: Number.NaN,
  listenQueueLen: -1,
  processes: [HOSTILE_WORKER],
};

export function poolMetrics(status: PoolStatus): PoolMetrics {
  return {
    status,
    isUp: true,
    hasZygote: true,
    requestDurations: { upperBoundsS: [0.005, 0.1, 1, 10], counts: [7, 5n, 0, 2, 1], sumS: 31.25 },
    responses: new Map([
      ['2xx', 12n],
      ['5xx', 3n],
    ]),
    cpuS: 0.75,
    maxChildren: 8,
    privateBytes: [3_000_000, undefined, 1_000_000],
    forks: 9,
    deaths: new Map([
      ['idle', 4],
      ['signal SEGV', 1],
    ]),
  };
}

export const METRICS: MetricsInput = {
  pools: [poolMetrics(POOL), poolMetrics({ ...POOL, name: 'shop', processes: [] })],
  master: {
    version: '0.1.0',
    pid: 4242,
    startEpochS: START_EPOCH_S,
    reloads: { succeeded: 2, failed: 1 },
    isLastReloadSuccessful: false,
    lastReloadDurationS: 0.25,
    lastReloadEpochS: START_EPOCH_S + 30,
    cpuS: 1.5,
    residentBytes: 60_000_000,
  },
};
