import type { Seconds } from '../../../src/units.js';
import { type Bench, type Metric, noSlowerThanBaseline, type Sample, type Scenario } from '../scenario.js';
import { quantile } from '../statistics.js';
import { describeVisit } from '../visitors.js';
import {
  APPLICATIONS,
  forSeconds,
  type RealPageMeasurement,
  RealPageScenario,
  type Visiting,
} from './real-page-scenario.js';
import { cpuSpentNs, cpuTimes } from './throughput.js';

/** Before each measurement: the other subjects have had the caches meanwhile. */
const REWARM_SECONDS: Seconds = 1;
/** Shorter measurements hold too few pages for a p99. */
const SHORTEST_SECONDS: Seconds = 6;

const METRICS: readonly Metric[] = [
  { key: 'requestsPerSecond', title: 'pages/s', digits: 1, comparison: 'ratio' },
  { key: 'workerCpuMs', title: 'worker CPU per page, ms', digits: 2, comparison: 'ratio' },
  { key: 'p50Ms', title: 'p50, ms', digits: 1, comparison: 'ratio' },
  { key: 'p99Ms', title: 'p99, ms', digits: 1, comparison: 'ratio' },
  { key: 'frontP99Ms', title: 'front page, p99, ms', digits: 1 },
  { key: 'articleP99Ms', title: 'article, p99, ms', digits: 1 },
  { key: 'searchP99Ms', title: 'search, p99, ms', digits: 1 },
];

const realPageMeasurement: RealPageMeasurement = {
  suffix: '',
  title: 'front page, article, search',
  reloads: false,
  metrics: METRICS,
  targets: [
    { metric: 'requestsPerSecond', atLeast: 1 },
    noSlowerThanBaseline('p50Ms'),
    noSlowerThanBaseline('p99Ms'),
  ],

  async measure(bench: Bench, visiting: Visiting): Promise<Sample> {
    const rewarmed = await visiting(forSeconds(REWARM_SECONDS));
    const before = cpuTimes(bench.subject.workerPids());
    const result = await visiting(forSeconds(Math.max(SHORTEST_SECONDS, bench.seconds)));
    const spentNs = cpuSpentNs(before, cpuTimes(bench.subject.workerPids()));
    const { timesMs, timesByPage, elapsedSeconds } = result;
    const p99Of = (page: string) => quantile(timesByPage.get(page) ?? [], 0.99);
    const values = {
      requestsPerSecond: timesMs.length / elapsedSeconds,
      workerCpuMs: spentNs === undefined ? undefined : spentNs / 1e6 / timesMs.length,
      p50Ms: quantile(timesMs, 0.5),
      p99Ms: quantile(timesMs, 0.99),
      frontP99Ms: p99Of('front'),
      articleP99Ms: p99Of('article'),
      searchP99Ms: p99Of('search'),
    };
    const known = Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined);
    return {
      values: Object.fromEntries(known),
      problems: [...describeVisit(rewarmed), ...describeVisit(result)],
    };
  },
};

/** What users of real applications wait for; the interpreter and the database take nearly all of it. */
export const realPages: readonly Scenario[] = APPLICATIONS.map(
  (application) => new RealPageScenario(application, realPageMeasurement),
);
