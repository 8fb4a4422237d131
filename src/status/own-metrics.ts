import type { Bytes } from '../units.js';
import { bucketBound, type MetricFamily, type Sample } from './exposition.js';
import type { DurationHistogram, MasterMetrics, PoolMetrics } from './metrics-input.js';

// Metrics that neither php-fpm nor its exporter has, and true counters for what they have as gauges.

export function* ownPoolFamilies(pools: readonly PoolMetrics[]): Generator<MetricFamily> {
  const perPool = (value: (pool: PoolMetrics) => number | bigint): Sample[] =>
    pools.map((pool) => ({ labels: { pool: pool.status.name }, value: value(pool) }));
  yield {
    name: 'tsfpm_requests',
    type: 'counter',
    help: 'Requests begun.',
    samples: perPool(({ status }) => status.acceptedConn),
  };
  yield {
    name: 'tsfpm_request_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'Durations of finished requests, from the first byte to the end of the answer.',
    samples: pools.flatMap(({ status, requestDurations }) => histogramSamples(status.name, requestDurations)),
  };
  yield {
    name: 'tsfpm_responses',
    type: 'counter',
    help: 'Finished requests, by the class of their HTTP status.',
    samples: pools.flatMap(({ status, responses }) =>
      [...responses].map(([name, value]) => ({ labels: { pool: status.name, class: name }, value })),
    ),
  };
  yield {
    name: 'tsfpm_cpu_seconds',
    type: 'counter',
    unit: 'seconds',
    help: 'Processor time of finished requests, user and system.',
    samples: perPool(({ cpuS }) => cpuS),
  };
  yield {
    name: 'tsfpm_slow_requests',
    type: 'counter',
    help: 'Requests that ran longer than request_slowlog_timeout.',
    samples: perPool(({ status }) => status.slowRequests),
  };
  yield {
    name: 'tsfpm_max_children',
    type: 'gauge',
    help: 'Most workers of the pool at once: pm.max_children.',
    samples: perPool(({ maxChildren }) => maxChildren),
  };
  yield {
    name: 'tsfpm_max_children_reached',
    type: 'counter',
    help: 'Times that more workers were needed than pm.max_children allows.',
    samples: perPool(({ status }) => status.maxChildrenReached),
  };
  yield {
    name: 'tsfpm_listen_queue',
    type: 'gauge',
    help: 'Connections that wait to be accepted.',
    samples: perPool(({ status }) => status.listenQueue),
  };
  yield {
    name: 'tsfpm_queue_refused',
    type: 'counter',
    help: 'Clients that got 503 from the listen queue, by the limit: queue.timeout or queue.max.',
    samples: pools.flatMap(({ status: { name, refused } }) =>
      Object.entries(refused).map(([limit, value]) => ({ labels: { pool: name, limit }, value })),
    ),
  };
  yield {
    name: 'tsfpm_queue_gone',
    type: 'counter',
    help: 'Clients that had left the listen queue before they were served; counted with a limit of the queue.',
    samples: perPool(({ status }) => status.gone),
  };
  yield {
    name: 'tsfpm_worker_private_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of a worker that it shares with nobody.',
    samples: pools.flatMap(workerMemory),
  };
  yield {
    name: 'tsfpm_private_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of all workers of the pool that each of them shares with nobody.',
    samples: perPool(({ privateBytes }) => privateBytes.reduce((sum: Bytes, bytes = 0) => sum + bytes, 0)),
  };
  yield {
    name: 'tsfpm_zygote_up',
    type: 'gauge',
    help: 'Whether the pool has a zygote; an idle ondemand pool has none.',
    samples: perPool(({ hasZygote }) => (hasZygote ? 1 : 0)),
  };
  yield {
    name: 'tsfpm_forks',
    type: 'counter',
    help: 'Workers forked.',
    samples: perPool(({ forks }) => forks),
  };
  yield {
    name: 'tsfpm_worker_deaths',
    type: 'counter',
    help: 'Workers that ended, by why.',
    samples: pools.flatMap(({ status, deaths }) =>
      [...deaths].map(([reason, value]) => ({ labels: { pool: status.name, reason }, value })),
    ),
  };
}

export function* masterFamilies(master: MasterMetrics): Generator<MetricFamily> {
  const single = (value: number): Sample[] => [{ labels: {}, value }];
  yield {
    name: 'tsfpm_build',
    type: 'info',
    help: 'The program.',
    samples: [{ labels: { version: master.version }, value: 1 }],
  };
  yield {
    name: 'tsfpm_master_pid',
    type: 'gauge',
    help: 'Process id of the master.',
    samples: single(master.pid),
  };
  yield {
    name: 'tsfpm_start_time_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'When the master started, since 1970.',
    samples: single(master.startEpochS),
  };
  yield {
    name: 'tsfpm_master_cpu_seconds',
    type: 'counter',
    unit: 'seconds',
    help: 'Processor time of the master, user and system.',
    samples: single(master.cpuS),
  };
  yield {
    name: 'tsfpm_master_resident_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Resident memory of the master.',
    samples: single(master.residentBytes),
  };
  yield {
    name: 'tsfpm_reloads',
    type: 'counter',
    help: 'Reloads, by how they ended.',
    samples: [
      { labels: { result: 'success' }, value: master.reloads.succeeded },
      { labels: { result: 'failure' }, value: master.reloads.failed },
    ],
  };
  if (master.lastReloadDurationS !== undefined)
    yield {
      name: 'tsfpm_last_reload_duration_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'How long the last reload took, whether it succeeded or not.',
      samples: single(master.lastReloadDurationS),
    };
  yield {
    name: 'tsfpm_config_last_reload_successful',
    type: 'gauge',
    help: 'Whether the last attempt to load the configuration succeeded.',
    samples: single(master.isLastReloadSuccessful ? 1 : 0),
  };
  yield {
    name: 'tsfpm_config_last_reload_success_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'When the configuration in force was loaded, since 1970.',
    samples: single(master.lastReloadEpochS),
  };
}

function workerMemory({ status, privateBytes }: PoolMetrics): Sample[] {
  return status.processes.flatMap((_, child) => {
    const value = privateBytes[child];
    return value === undefined ? [] : [{ labels: { pool: status.name, child: String(child) }, value }];
  });
}

function histogramSamples(pool: string, { upperBoundsS, counts, sumS }: DurationHistogram): Sample[] {
  let soFar = 0n;
  const buckets = [...upperBoundsS, Infinity].map((bound, index): Sample => {
    soFar += BigInt(counts[index] ?? 0);
    return { labels: { pool, le: bucketBound(bound) }, value: soFar, suffix: '_bucket' };
  });
  return [
    ...buckets,
    { labels: { pool }, value: soFar, suffix: '_count' },
    { labels: { pool }, value: sumS, suffix: '_sum' },
  ];
}
