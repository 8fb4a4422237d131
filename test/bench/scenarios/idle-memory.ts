import { setTimeout as sleep } from 'node:timers/promises';
import { privateBytes } from '../processes.js';
import type { Scenario } from '../scenario.js';
import { median } from '../statistics.js';
import { describeFailures, WORKERS } from './throughput.js';

const WARM_UP_REQUESTS = 4000;
const SETTLE_MS = 500;

/** What one more worker costs: memory it shares with nobody, once it has served and waits. */
export const idleMemory: Scenario = {
  name: 'idle-memory',
  title: 'idle after hello world',
  pool: { pm: 'static', maxChildren: WORKERS },
  metrics: [
    { key: 'privateMiB', title: 'private memory per idle worker, MiB', digits: 2, comparison: 'difference' },
  ],
  targets: [{ metric: 'privateMiB', atMost: 0.5 }],
  once: true,

  async warmUp({ load, site }) {
    const script = `${site.pages}/hello.php`;
    return describeFailures(await load({ script, connections: 2 * WORKERS, requests: WARM_UP_REQUESTS }));
  },

  async measure({ subject, signal }) {
    await sleep(SETTLE_MS, undefined, { signal });
    const sizes = subject.workerPids().map(privateBytes);
    const middle = median(sizes);
    if (middle === undefined) return { values: {}, problems: ['no worker to measure'] };
    return { values: { privateMiB: middle / 2 ** 20 }, problems: [] };
  },
};
