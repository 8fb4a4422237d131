import { setTimeout as sleep } from 'node:timers/promises';
import type { Count, Milliseconds } from '../../../src/units.js';
import { type Bench, noSlowerThanBaseline, type Sample, type Scenario } from '../scenario.js';
import { median } from '../statistics.js';
import { HoldingClients, timedRequest } from './holding.js';

const TRIES: Count = 25;
/** php-fpm takes a second for each: it gets fewer in the time. */
const FEWEST_TRIES: Count = 3;
const LONGEST_MS: Milliseconds = 8000;
/** For the workers of the try before to be idle, and for those that are spare to be there. */
const REST_MS: Milliseconds = 120;

/**
 * From the moment the last idle worker is taken to a new one that serves, as a client sees it: all idle workers are
 * taken at once, and the request behind them has to wait for a fork. What it takes on an idle pool is subtracted.
 */
export const reaction: Scenario = {
  name: 'reaction',
  title: 'the last idle worker is taken: a new one serves',
  pool: {
    pm: 'dynamic',
    maxChildren: 100,
    directives: { 'pm.start_servers': '2', 'pm.min_spare_servers': '1', 'pm.max_spare_servers': '90' },
  },
  metrics: [
    { key: 'reactionMs', title: 'median, ms', digits: 1, comparison: 'ratio' },
    { key: 'slowestMs', title: 'slowest, ms', digits: 1, comparison: 'ratio' },
    { key: 'tries', title: 'tries', digits: 0 },
  ],
  // The slowest of so few is their p99.
  targets: [
    { metric: 'reactionMs', atMost: 20, isAbsolute: true },
    noSlowerThanBaseline('reactionMs'),
    noSlowerThanBaseline('slowestMs'),
  ],
  once: true,
  warmUp: async () => [],

  async measure(bench) {
    const { subject, site, signal } = bench;
    await sleep(1000, undefined, { signal });
    const own = await timesOf(5, () => timedRequest(subject.address, site, 'hello.php'));
    const ownMs = median(own) ?? 0;
    const delays: Milliseconds[] = [];
    const deadline = performance.now() + LONGEST_MS;
    while (delays.length < TRIES && (delays.length < FEWEST_TRIES || performance.now() < deadline)) {
      await sleep(REST_MS, undefined, { signal });
      const tookMs = await tryOnce(bench);
      if (tookMs === undefined) return { values: {}, problems: ['a request failed'] };
      delays.push(Math.max(0, tookMs - ownMs));
    }
    return toSample(delays);
  },
};

async function tryOnce({ subject, site }: Bench): Promise<Milliseconds | undefined> {
  const clients = new HoldingClients(subject.address, site);
  try {
    await clients.add(subject.workerPids().length);
    const tookMs = await timedRequest(subject.address, site, 'hello.php');
    return (await clients.release()) === 0 ? tookMs : undefined;
  } finally {
    clients.abandon();
  }
}

async function timesOf(
  count: Count,
  measure: () => Promise<Milliseconds | undefined>,
): Promise<Milliseconds[]> {
  const times: Milliseconds[] = [];
  for (let i = 0; i < count; i++) times.push((await measure()) ?? 0);
  return times;
}

function toSample(delays: readonly Milliseconds[]): Sample {
  return {
    values: { reactionMs: median(delays) ?? 0, slowestMs: Math.max(...delays), tries: delays.length },
    problems: [],
  };
}
