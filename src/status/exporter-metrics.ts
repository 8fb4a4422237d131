import { type MetricFamily, type Sample, withLabel } from './exposition.js';
import { MEMORY_PEAK_FIELD, POOL_FIELDS, type PoolField } from './fields.js';
import type { LabelledPool } from './metrics-input.js';
import type { WorkerState, WorkerStatus } from './status.js';

// The metrics of php-fpm's own page and of the exporter that most dashboards are made for (hipages/php-fpm_exporter).
// Where both have a metric, its name is the same. Its label `scrape_uri` is left out: nothing is scraped here.

const STATES: readonly WorkerState[] = [
  'Idle',
  'Running',
  'Finishing',
  'Reading headers',
  'Getting request information',
  'Ending',
];

export function* exporterFamilies(pools: readonly LabelledPool[]): Generator<MetricFamily> {
  yield {
    name: 'phpfpm_up',
    type: 'gauge',
    help: 'Could PHP-FPM be reached? Here: can the pool start workers?',
    samples: perPool(pools, ({ isUp }) => (isUp ? 1 : 0)),
  };
  yield {
    name: 'phpfpm_scrape_failures',
    type: 'legacyCounter',
    help: 'The number of failures scraping from PHP-FPM. Nothing is scraped here: always 0.',
    samples: perPool(pools, () => 0),
  };
  for (const field of [...POOL_FIELDS, MEMORY_PEAK_FIELD]) yield* poolFamily(field, pools);
  yield* workerFamilies(pools);
}

function poolFamily({ metric, value }: PoolField, pools: readonly LabelledPool[]): MetricFamily[] {
  if (metric === undefined) return [];
  const samples = perPool(pools, ({ status }) => {
    const shown = value(status);
    return shown.is === 'integer' ? shown.value : undefined;
  });
  const type = metric.type === 'counter' && metric.isGauge !== true ? 'legacyCounter' : 'gauge';
  return [{ name: metric.name, type, help: metric.help, samples }];
}

function* workerFamilies(pools: readonly LabelledPool[]): Generator<MetricFamily> {
  yield {
    name: 'phpfpm_process_requests',
    type: 'legacyCounter',
    help: 'The number of requests the process has served.',
    samples: perWorker(pools, ({ requests }) => requests),
  };
  yield {
    name: 'phpfpm_process_last_request_memory',
    type: 'gauge',
    help: 'The max amount of memory the last request consumed.',
    samples: perWorker(pools, ({ lastRequestMemory }) => lastRequestMemory),
  };
  yield {
    name: 'phpfpm_process_last_request_cpu',
    type: 'gauge',
    help: 'The %cpu the last request consumed.',
    samples: perWorker(pools, ({ lastRequestCpuPercent }) => lastRequestCpuPercent),
  };
  yield {
    name: 'phpfpm_process_request_duration',
    type: 'gauge',
    help: 'The duration in microseconds of the requests.',
    samples: perWorker(pools, ({ requestDurationUs }) => requestDurationUs),
  };
  yield {
    name: 'phpfpm_process_state',
    type: 'gauge',
    help: 'The state of the process (Idle, Running, ...).',
    samples: stateSamples(pools),
  };
}

function* perPool(
  pools: readonly LabelledPool[],
  value: (pool: LabelledPool) => number | bigint | undefined,
): Generator<Sample> {
  for (const pool of pools) {
    const shown = value(pool);
    if (shown !== undefined) yield { labels: pool.labels, value: shown };
  }
}

function* stateSamples(pools: readonly LabelledPool[]): Generator<Sample> {
  for (const { labels, status } of pools)
    for (const [child, { state }] of status.processes.entries()) {
      const ofWorker = withLabel(labels, 'child', String(child));
      for (const known of STATES)
        yield { labels: withLabel(ofWorker, 'state', known), value: state === known ? 1 : 0 };
    }
}

/** The exporter tells workers apart by their place in the list, not by pid: fewer series over time. */
function* perWorker(
  pools: readonly LabelledPool[],
  value: (worker: WorkerStatus) => number | bigint,
): Generator<Sample> {
  for (const { labels, status } of pools)
    for (const [child, worker] of status.processes.entries())
      yield { labels: withLabel(labels, 'child', String(child)), value: value(worker) };
}
