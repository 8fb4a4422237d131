import type { Bytes, Seconds } from '../units.js';
import { bucketBound, labelText, type MetricFamily, type Sample, withLabel } from './exposition.js';
import type { LabelledPool, MasterMetrics } from './metrics-input.js';

// Metrics that neither php-fpm nor its exporter has, and true counters for what they have as gauges.

export function* ownPoolFamilies(pools: readonly LabelledPool[]): Generator<MetricFamily> {
  function* perPool(value: (pool: LabelledPool) => number | bigint): Generator<Sample> {
    for (const pool of pools) yield { labels: pool.labels, value: value(pool) };
  }
  function* perLabel(
    label: string,
    counts: (pool: LabelledPool) => Iterable<readonly [string, number | bigint]>,
  ): Generator<Sample> {
    for (const pool of pools)
      for (const [each, value] of counts(pool)) yield { labels: withLabel(pool.labels, label, each), value };
  }
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
    samples: durationSamples(pools),
  };
  yield {
    name: 'tsfpm_responses',
    type: 'counter',
    help: 'Finished requests, by the class of their HTTP status.',
    samples: perLabel('class', ({ responses }) => responses),
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
    samples: perLabel('limit', ({ status }) => Object.entries(status.refused)),
  };
  yield {
    name: 'tsfpm_queue_gone',
    type: 'counter',
    help: 'Clients that had left the listen queue before they were served; counted with a limit of the queue.',
    samples: perPool(({ status }) => status.gone),
  };
  yield {
    name: 'tsfpm_kept_connections',
    type: 'gauge',
    help: 'Kept connections that no worker holds: idle, or ready with a request that waits for a worker.',
    samples: perLabel('state', ({ status: { kept } }) => [
      ['idle', kept.idle],
      ['ready', kept.ready],
    ]),
  };
  yield {
    name: 'tsfpm_kept_connections_closed',
    type: 'counter',
    help: 'Idle kept connections that were closed because there was no descriptor for another one.',
    samples: perPool(({ status }) => status.kept.closed),
  };
  yield {
    name: 'tsfpm_worker_private_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of a worker that it shares with nobody.',
    samples: workerMemory(pools),
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
    samples: perLabel('reason', ({ deaths }) => deaths),
  };
}

export function* masterFamilies(master: MasterMetrics): Generator<MetricFamily> {
  const single = (value: number): Sample[] => [{ labels: '', value }];
  yield {
    name: 'tsfpm_build',
    type: 'info',
    help: 'The program.',
    samples: [{ labels: labelText({ version: master.version }), value: 1 }],
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
      { labels: labelText({ result: 'success' }), value: master.reloads.succeeded },
      { labels: labelText({ result: 'failure' }), value: master.reloads.failed },
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

function* workerMemory(pools: readonly LabelledPool[]): Generator<Sample> {
  for (const { labels, status, privateBytes } of pools)
    for (const child of status.processes.keys()) {
      const value = privateBytes[child];
      if (value !== undefined) yield { labels: withLabel(labels, 'child', String(child)), value };
    }
}

function* durationSamples(pools: readonly LabelledPool[]): Generator<Sample> {
  let ofBounds: readonly Seconds[] | undefined;
  let bounds: readonly string[] = [];
  for (const { labels, requestDurations } of pools) {
    const { upperBoundsS, counts, sumS } = requestDurations;
    if (upperBoundsS !== ofBounds) bounds = [...upperBoundsS, Infinity].map(bucketBound);
    ofBounds = upperBoundsS;
    let soFar = 0n;
    for (const [index, bound] of bounds.entries()) {
      soFar += BigInt(counts[index] ?? 0);
      yield { labels: withLabel(labels, 'le', bound), value: soFar, suffix: '_bucket' };
    }
    yield { labels, value: soFar, suffix: '_count' };
    yield { labels, value: sumS, suffix: '_sum' };
  }
}
