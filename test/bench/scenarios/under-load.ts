import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Count, Milliseconds, Seconds } from '../../../src/units.js';
import type { LoadResult } from '../load-generator.js';
import { type Bench, type Metric, noSlowerThanBaseline } from '../scenario.js';
import type { Site } from '../site.js';
import { describeFailures, WORKERS } from './throughput.js';

/** Time of one request, spent asleep. */
const NAP_MS: Milliseconds = 20;
/** Shorter measurements hold too few of the events that matter. */
const SHORTEST_SECONDS: Seconds = 3;

export const NAP_LATENCIES: readonly Metric[] = [
  { key: 'p50Ms', title: 'p50, ms', digits: 2, comparison: 'ratio' },
  { key: 'p99Ms', title: 'p99, ms', digits: 2, comparison: 'ratio' },
];
export const NAP_TARGETS = [noSlowerThanBaseline('p50Ms'), noSlowerThanBaseline('p99Ms')];

/** Of those that were answered. */
export function napLatencies({ latencyUs: { p50, p99, max } }: LoadResult) {
  return { p50Ms: p50 / 1000, p99Ms: p99 / 1000, slowestMs: max / 1000 };
}

export const napScript = (site: Site) => join(site.pages, 'nap.php');

export function writeNapPage(site: Site): void {
  writeFileSync(napScript(site), `<?php usleep(${NAP_MS * 1000}); echo 'awake';\n`);
}

function closedLoop(bench: Bench, seconds: Seconds): Promise<LoadResult> {
  return bench.load({ script: napScript(bench.site), connections: WORKERS, seconds });
}

export async function warmUpNaps(bench: Bench): Promise<readonly string[]> {
  return describeFailures(await closedLoop(bench, 0.5));
}

/** A closed loop of naps, and something that happens again and again meanwhile. */
export async function napsWhile(
  bench: Bench,
  everyMs: Milliseconds,
  act: () => void,
): Promise<{ readonly result: LoadResult; readonly events: Count }> {
  const seconds = Math.max(bench.seconds, SHORTEST_SECONDS);
  const end = performance.now() + seconds * 1000;
  const loop = closedLoop(bench, seconds);
  let events = 0;
  // The last event has its time, too.
  while (performance.now() + everyMs < end) {
    await sleep(events === 0 ? everyMs / 2 : everyMs, undefined, { signal: bench.signal });
    act();
    events++;
  }
  return { result: await loop, events };
}
