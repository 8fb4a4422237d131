import type { Count } from '../../../src/units.js';
import type { LoadResult } from '../load-generator.js';
import type { Bench, Scenario } from '../scenario.js';
import { describeFailures, WORKERS } from './throughput.js';

const HELLO = 'hello.php';
/** Long enough for the busy connections to be served before, and after, whoever is measured beside them. */
const BESIDE_SECONDS = 1;

const scriptOf = (bench: Bench) => `${bench.site.pages}/${HELLO}`;

async function warmUp(bench: Bench): Promise<readonly string[]> {
  const warm = await bench.load({
    script: scriptOf(bench),
    connections: WORKERS,
    keepAlive: true,
    seconds: 1,
  });
  return describeFailures(warm);
}

const FIFTH_REQUESTS: Count = 100;
const FIFTH_MEDIAN_MS = 5;
const FIFTH_MOST_MS = 50;

/** Each worker has a busy kept connection, and one more client comes, a hundred times. php-fpm lets it wait for ever. */
export const keptFifth: Scenario = {
  name: 'kept-fifth',
  title: `a fifth client beside ${WORKERS} busy kept connections on ${WORKERS} workers`,
  pool: { pm: 'static', maxChildren: WORKERS },
  metrics: [
    { key: 'p50Ms', title: 'p50, ms', digits: 2 },
    { key: 'maxMs', title: 'slowest, ms', digits: 1 },
    { key: 'answered', title: `answered of ${FIFTH_REQUESTS}`, digits: 0 },
  ],
  targets: [
    { metric: 'p50Ms', isAbsolute: true, atMost: FIFTH_MEDIAN_MS },
    { metric: 'maxMs', isAbsolute: true, atMost: FIFTH_MOST_MS },
    { metric: 'answered', isAbsolute: true, atLeast: FIFTH_REQUESTS },
  ],
  warmUp,

  async measure(bench) {
    const script = scriptOf(bench);
    const seconds = bench.seconds + 2 * BESIDE_SECONDS;
    const busy = bench.load({ script, connections: WORKERS, keepAlive: true, seconds });
    const fifth = bench.load({
      script,
      requests: FIFTH_REQUESTS,
      seconds: bench.seconds,
      timeoutMs: bench.seconds * 1000,
    });
    const [around, { ok: answered, latencyUs }] = await Promise.all([busy, fifth]);
    // That nobody answers the fifth is what is measured.
    return {
      values: { answered, ...(answered > 0 && { p50Ms: latencyUs.p50 / 1000, maxMs: latencyUs.max / 1000 }) },
      problems: describeFailures(around),
    };
  },
};

const MANY_WORKERS: Count = 8;
const MANY: Count = 64;
const MANY_TIMES_FEW = 3;

/** Eight times as many kept connections as workers: all are served in turn. php-fpm serves the first eight alone. */
export const keptMany: Scenario = {
  name: 'kept-many',
  title: `${MANY} kept connections on ${MANY_WORKERS} workers`,
  pool: { pm: 'static', maxChildren: MANY_WORKERS },
  metrics: [
    { key: 'requestsPerSecond', title: 'requests/s', digits: 0 },
    { key: 'fewP99Us', title: `p99 with ${MANY_WORKERS}, µs`, digits: 0 },
    { key: 'p99Us', title: `p99 with ${MANY}, µs`, digits: 0 },
    { key: 'timesFew', title: 'the second by the first', digits: 2 },
    { key: 'maxMs', title: 'slowest, ms', digits: 1 },
    { key: 'lost', title: 'requests lost', digits: 0 },
  ],
  targets: [
    { metric: 'timesFew', isAbsolute: true, atMost: MANY_TIMES_FEW },
    { metric: 'lost', isAbsolute: true, atMost: 0 },
  ],
  warmUp,

  async measure(bench) {
    const load = (connections: Count): Promise<LoadResult> =>
      bench.load({
        script: scriptOf(bench),
        connections,
        keepAlive: true,
        seconds: bench.seconds,
        timeoutMs: 5000,
      });
    const few = await load(MANY_WORKERS);
    const many = await load(MANY);
    const fewP99Us = few.latencyUs.p99;
    const p99Us = many.latencyUs.p99;
    return {
      values: {
        requestsPerSecond: many.requestsPerSecond,
        fewP99Us,
        p99Us,
        timesFew: p99Us / fewP99Us,
        maxMs: many.latencyUs.max / 1000,
        lost: many.failed + many.reconnects,
      },
      // Lost requests are what is measured, no doubt about it.
      problems: describeFailures(few),
    };
  },
};
