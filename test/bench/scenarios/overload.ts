import type { Count, Milliseconds, Seconds } from '../../../src/units.js';
import type { Scenario } from '../scenario.js';
import { describeFailures, WORKERS } from './throughput.js';
import { napScript, writeNapPage } from './under-load.js';

/** How much more is asked than the pool can bear. */
const OVERLOAD = 5;
/** After that a client gives up and closes its connection, as nginx does after fastcgi_read_timeout. */
const PATIENCE_MS: Milliseconds = 2000;
/** Long enough for the first clients that were served in time to be few. */
const SHORTEST_SECONDS: Seconds = 8;
const BEST_SECONDS: Seconds = 1;
const MOST_CONNECTIONS: Count = 4096;

/** What a pool still does for its clients when far more come than it can bear. */
export const overload: Scenario = {
  name: 'overload',
  title: `${OVERLOAD} times the load that the pool can bear, clients give up after ${PATIENCE_MS / 1000} s`,
  pool: {
    pm: 'static',
    maxChildren: WORKERS,
    directives: { 'listen.backlog': '2048' },
    tsfpmDirectives: { 'queue.timeout': '1s' },
  },
  metrics: [
    { key: 'goodputPercent', title: 'answered in time, % of its best', digits: 1 },
    { key: 'goodput', title: 'answered in time, requests/s', digits: 0, comparison: 'ratio' },
    { key: 'best', title: 'its best, requests/s', digits: 0 },
    { key: 'p99Ms', title: 'p99 of these, ms', digits: 0 },
  ],
  targets: [{ metric: 'goodputPercent', atLeast: 90, isAbsolute: true }],
  mostRounds: 3,
  prepare: writeNapPage,

  async warmUp(bench) {
    const script = napScript(bench.site);
    return describeFailures(await bench.load({ script, connections: WORKERS, seconds: 0.5 }));
  },

  async measure(bench) {
    const script = napScript(bench.site);
    const best = await bench.load({ script, connections: 2 * WORKERS, seconds: BEST_SECONDS });
    const seconds = Math.max(bench.seconds, SHORTEST_SECONDS);
    const rate = OVERLOAD * best.requestsPerSecond;
    const { okBeforeEnd, latencyUs } = await bench.load({
      ...{ script, seconds, rate },
      connections: MOST_CONNECTIONS,
      timeoutMs: PATIENCE_MS,
    });
    const goodput = okBeforeEnd / seconds;
    return {
      values: {
        goodputPercent: (100 * goodput) / best.requestsPerSecond,
        goodput,
        best: best.requestsPerSecond,
        p99Ms: latencyUs.p99 / 1000,
      },
      // That most requests fail is what it is about.
      problems: describeFailures(best),
    };
  },
};
