import type { PoolStatus, WorkerStatus } from './status.js';
import {
  integer,
  percent,
  rawRequest,
  request,
  type StatusValue,
  time,
  uriWithQuery,
  word,
} from './value.js';

// THE table of what the pages show, in php-fpm's order. Every renderer walks it.

/** The field in the openmetrics page, with php-fpm's name and help text. */
export interface PoolMetric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** php-fpm calls it a counter; /metrics calls it what it is. */
  readonly isGauge?: boolean;
  /** php-fpm writes TYPE before HELP for one of them. */
  readonly isTypeFirst?: boolean;
}

/** A key of `fpm_get_status()`. */
export interface StatusKey<Owner> {
  readonly key: string;
  readonly value: (owner: Owner) => StatusValue;
}

export interface Field<Owner> {
  /** In text, html and json. */
  readonly name: string;
  /** In text, where it differs. */
  readonly textName?: string;
  readonly element: string;
  readonly value: (owner: Owner) => StatusValue;
  /** The keys of `fpm_get_status()`, unless there is one and it is the name of the xml element. */
  readonly keys?: readonly StatusKey<Owner>[];
}

export interface PoolField extends Field<PoolStatus> {
  /** Pool and process manager stand in the help of {@link UP_METRIC} instead. */
  readonly metric?: PoolMetric;
}

export type WorkerField = Field<WorkerStatus>;

/** The first metric of the openmetrics page. */
export const UP_METRIC = {
  name: 'phpfpm_up',
  type: 'gauge',
  help: (pool: string, processManager: string) =>
    `Could pool ${pool} using a ${processManager} PM on PHP-FPM be reached?`,
} as const;

const counter = (name: string, help: string): PoolMetric => ({ name, type: 'counter', help });
const gaugeAsCounter = (name: string, help: string): PoolMetric => ({
  ...counter(name, help),
  isGauge: true,
});
const gauge = (name: string, help: string): PoolMetric => ({ name, type: 'gauge', help });

/** How much php-fpm keeps of a pool's name. */
const POOL_NAME_BYTES = 31;

/** The part of a pool's name that the pages show, which never ends within a character. */
export function shownPoolName(name: string): string {
  const bytes = Buffer.from(name);
  let end = Math.min(bytes.length, POOL_NAME_BYTES);
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

export const POOL_FIELDS: readonly PoolField[] = [
  {
    name: 'pool',
    element: 'pool',
    value: (pool) => word(shownPoolName(pool.name)),
    // fpm_get_status() gives the whole name, in php-fpm too.
    keys: [{ key: 'pool', value: (pool) => word(pool.name) }],
  },
  { name: 'process manager', element: 'process-manager', value: (pool) => word(pool.processManager) },
  { name: 'start time', element: 'start-time', value: (pool) => time(pool.startEpochS) },
  {
    name: 'start since',
    element: 'start-since',
    value: (pool) => integer(pool.startSinceS),
    metric: gaugeAsCounter('phpfpm_start_since', 'The number of seconds since FPM has started.'),
  },
  {
    name: 'accepted conn',
    element: 'accepted-conn',
    value: (pool) => integer(pool.acceptedConn),
    metric: counter('phpfpm_accepted_connections', 'The number of requests accepted by the pool.'),
  },
  {
    name: 'listen queue',
    element: 'listen-queue',
    value: (pool) => integer(pool.listenQueue),
    metric: gauge('phpfpm_listen_queue', 'The number of requests in the queue of pending connections.'),
  },
  {
    name: 'max listen queue',
    element: 'max-listen-queue',
    value: (pool) => integer(pool.maxListenQueue),
    metric: gaugeAsCounter(
      'phpfpm_max_listen_queue',
      'The maximum number of requests in the queue of pending connections since FPM has started.',
    ),
  },
  {
    name: 'listen queue len',
    element: 'listen-queue-len',
    value: (pool) => integer(pool.listenQueueLen),
    metric: {
      ...gauge('phpfpm_listen_queue_length', 'The size of the socket queue of pending connections.'),
      isTypeFirst: true,
    },
  },
  {
    name: 'idle processes',
    element: 'idle-processes',
    value: (pool) => integer(pool.idle),
    metric: gauge('phpfpm_idle_processes', 'The number of idle processes.'),
  },
  {
    name: 'active processes',
    element: 'active-processes',
    value: (pool) => integer(pool.active),
    metric: gauge('phpfpm_active_processes', 'The number of active processes.'),
  },
  {
    name: 'total processes',
    element: 'total-processes',
    value: (pool) => integer(pool.total),
    metric: gauge('phpfpm_total_processes', 'The number of idle + active processes.'),
  },
  {
    name: 'max active processes',
    element: 'max-active-processes',
    value: (pool) => integer(pool.maxActive),
    metric: gaugeAsCounter(
      'phpfpm_max_active_processes',
      'The maximum number of active processes since FPM has started.',
    ),
  },
  {
    name: 'max children reached',
    element: 'max-children-reached',
    value: (pool) => integer(pool.maxChildrenReached),
    metric: counter(
      'phpfpm_max_children_reached',
      'The number of times, the process limit has been reached, when pm tries to start more children ' +
        "(works only for pm 'dynamic' and 'ondemand').",
    ),
  },
  {
    name: 'slow requests',
    element: 'slow-requests',
    value: (pool) => integer(pool.slowRequests),
    metric: counter(
      'phpfpm_slow_requests',
      "The number of requests that exceeded your 'request_slowlog_timeout' value.",
    ),
  },
];

/** Comes last, from php-fpm 8.4 on. */
export const MEMORY_PEAK_FIELD: PoolField = {
  name: 'memory peak',
  element: 'memory-peak',
  value: (pool) => integer(pool.memoryPeak),
  metric: gauge('phpfpm_memory_peak', 'The memory usage peak since FPM has started.'),
};

const POOL_FIELDS_AND_MEMORY_PEAK: readonly PoolField[] = [...POOL_FIELDS, MEMORY_PEAK_FIELD];

/** What a page is asked to show. */
export interface PageContent {
  /** The workers too. */
  readonly full: boolean;
  /** php-fpm 8.4's field. Default false. */
  readonly hasMemoryPeak?: boolean;
}

export function poolFields({
  hasMemoryPeak = false,
}: Pick<PageContent, 'hasMemoryPeak'>): readonly PoolField[] {
  return hasMemoryPeak ? POOL_FIELDS_AND_MEMORY_PEAK : POOL_FIELDS;
}

export const WORKER_FIELDS: readonly WorkerField[] = [
  { name: 'pid', element: 'pid', value: (worker) => integer(worker.pid) },
  { name: 'state', element: 'state', value: (worker) => word(worker.state) },
  { name: 'start time', element: 'start-time', value: (worker) => time(worker.startEpochS) },
  { name: 'start since', element: 'start-since', value: (worker) => integer(worker.startSinceS) },
  { name: 'requests', element: 'requests', value: (worker) => integer(worker.requests) },
  {
    name: 'request duration',
    element: 'request-duration',
    value: (worker) => integer(worker.requestDurationUs),
  },
  { name: 'request method', element: 'request-method', value: (worker) => request(worker.method) },
  {
    name: 'request uri',
    textName: 'request URI',
    element: 'request-uri',
    value: (worker) => uriWithQuery(worker.uri, worker.query),
    keys: [
      { key: 'request-uri', value: (worker) => rawRequest(worker.uri) },
      { key: 'query-string', value: (worker) => rawRequest(worker.query) },
    ],
  },
  {
    name: 'content length',
    element: 'content-length',
    value: (worker) => integer(worker.contentLength),
    keys: [{ key: 'request-length', value: (worker) => integer(worker.contentLength) }],
  },
  { name: 'user', element: 'user', value: (worker) => request(worker.user) },
  { name: 'script', element: 'script', value: (worker) => request(worker.script) },
  {
    name: 'last request cpu',
    element: 'last-request-cpu',
    value: (worker) => percent(worker.lastRequestCpuPercent),
  },
  {
    name: 'last request memory',
    element: 'last-request-memory',
    value: (worker) => integer(worker.lastRequestMemory),
  },
];
