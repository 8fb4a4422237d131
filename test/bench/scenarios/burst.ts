import { setTimeout as sleep } from 'node:timers/promises';
import type { Count, Milliseconds, Seconds } from '../../../src/units.js';
import { type Bench, type Metric, noSlowerThanBaseline, type Scenario } from '../scenario.js';
import type { PoolSettings } from '../subject.js';
import { describeFailures } from './throughput.js';

const REQUESTS: Count = 50;
/** The page sleeps for one second: nobody can be faster than that. */
const TARGET: Seconds = 1.15;
/** php-fpm's slowest answers come after half a minute. */
const TIMEOUT_MS: Milliseconds = 90_000;
const SETTLE_MS: Milliseconds = 500;
/** For workers of the start to be gone: one a second under php-fpm. */
const COLD_PATIENCE_MS: Milliseconds = 15_000;

const BURST_METRICS: readonly Metric[] = [
  { key: 'lastSeconds', title: 'the last answer, s', digits: 2, comparison: 'ratio' },
  { key: 'p50Seconds', title: 'the median answer, s', digits: 2, comparison: 'ratio' },
];

/** Many slow requests at once, on a pool that is as small as it gets. */
function burstScenario(
  pm: 'dynamic' | 'ondemand',
  directives: NonNullable<PoolSettings['directives']>,
): Scenario {
  const pool: PoolSettings = { pm, maxChildren: 60, directives };
  return {
    name: `burst-${pm}`,
    title: `${REQUESTS} requests of 1 s at once, ${pm}`,
    pool,
    metrics: BURST_METRICS,
    // The last of so few is their p99.
    targets: [
      { metric: 'lastSeconds', atMost: TARGET, isAbsolute: true },
      noSlowerThanBaseline('p50Seconds'),
      noSlowerThanBaseline('lastSeconds'),
    ],
    once: true,
    warmUp: async () => [],

    async measure(bench) {
      await coolDown(bench, pool);
      const script = `${bench.site.pages}/sleep.php`;
      const result = await bench.load({
        script,
        connections: REQUESTS,
        requests: REQUESTS,
        timeoutMs: TIMEOUT_MS,
      });
      return {
        values: { lastSeconds: result.latencyUs.max / 1e6, p50Seconds: result.latencyUs.p50 / 1e6 },
        problems: describeFailures(result),
      };
    },
  };
}

/** A new start: after a burst php-fpm would need a minute to be small again. */
async function coolDown({ subject, signal }: Bench, pool: PoolSettings): Promise<void> {
  await subject.stop();
  await subject.start(pool, signal);
  const deadline = performance.now() + COLD_PATIENCE_MS;
  const wanted = pool.pm === 'ondemand' ? 0 : 4;
  while (subject.workerPids().length > wanted && performance.now() < deadline)
    await sleep(100, undefined, { signal });
  await sleep(SETTLE_MS, undefined, { signal });
}

export const burstDynamic = burstScenario('dynamic', {
  'pm.start_servers': '2',
  'pm.min_spare_servers': '1',
  'pm.max_spare_servers': '4',
});

export const burstOndemand = burstScenario('ondemand', { 'pm.process_idle_timeout': '1' });
