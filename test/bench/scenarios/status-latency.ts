import { setTimeout as sleep } from 'node:timers/promises';
import type { Count } from '../../../src/units.js';
import { runLoad } from '../load-generator.js';
import { noSlowerThanBaseline, type Scenario } from '../scenario.js';
import { HoldingClients } from './holding.js';
import { describeFailures, WORKERS } from './throughput.js';

const WAITING: Count = 1000;
const ASKED: Count = 2000;

/** The page that an administrator needs most: when nothing else is answered. */
export const statusLatency: Scenario = {
  name: 'status-latency',
  title: `status page on pm.status_listen, ${WAITING} clients waiting`,
  pool: {
    pm: 'static',
    maxChildren: WORKERS,
    directives: {
      'pm.status_path': '/status',
      'pm.status_listen': '{address}.status',
      'listen.backlog': '2048',
    },
  },
  metrics: [
    { key: 'p50Ms', title: 'p50, ms', digits: 2, comparison: 'ratio' },
    { key: 'p99Ms', title: 'p99, ms', digits: 2, comparison: 'ratio' },
    { key: 'maxMs', title: 'slowest, ms', digits: 2 },
  ],
  targets: [
    { metric: 'p99Ms', atMost: 5, isAbsolute: true },
    noSlowerThanBaseline('p50Ms'),
    noSlowerThanBaseline('p99Ms'),
  ],
  mostRounds: 3,
  warmUp: async () => [],

  async measure({ subject, site, signal }) {
    const clients = new HoldingClients(subject.address, site);
    try {
      await clients.add(WORKERS + WAITING);
      await sleep(200, undefined, { signal });
      const result = await runLoad(
        {
          address: `${subject.address}.status`,
          script: `${site.pages}/hello.php`,
          params: { SCRIPT_NAME: '/status', REQUEST_URI: '/status', QUERY_STRING: 'json' },
          requests: ASKED,
        },
        signal,
      );
      const problems = describeFailures(result);
      const failed = await clients.release();
      if (failed > 0) problems.push(`${failed} clients that waited got no answer`);
      const { p50, p99, max } = result.latencyUs;
      return { values: { p50Ms: p50 / 1e3, p99Ms: p99 / 1e3, maxMs: max / 1e3 }, problems };
    } finally {
      clients.abandon();
    }
  },
};
