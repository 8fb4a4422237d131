import type { Milliseconds, Seconds } from '../../../src/units.js';
import type { Bench, Metric, Sample, Scenario } from '../scenario.js';
import { quantile } from '../statistics.js';
import { describeVisit } from '../visitors.js';
import {
  APPLICATIONS,
  forSeconds,
  type RealPageMeasurement,
  RealPageScenario,
  type Visiting,
} from './real-page-scenario.js';

const REWARM_SECONDS: Seconds = 1;
const STEADY_SECONDS: Seconds = 5;
/** From the signal on, until this long after the reload is complete. */
const AFTER_MS: Milliseconds = 5000;

const METRICS: readonly Metric[] = [
  { key: 'steadyP99Ms', title: 'steady p99, ms', digits: 1 },
  { key: 'reloadP99Ms', title: 'p99 from the signal to 5 s after the reload, ms', digits: 1 },
  { key: 'timesSteady', title: '× steady', digits: 2 },
  { key: 'slowestMs', title: 'slowest, ms', digits: 0 },
  { key: 'reloadMs', title: 'signal to ready, ms', digits: 0 },
  { key: 'lost', title: 'pages lost', digits: 0 },
];

const reloadMeasurement: RealPageMeasurement = {
  suffix: '-reload',
  title: 'a reload while pages are visited',
  reloads: true,
  metrics: METRICS,
  tsfpmDirectives: { 'opcache.warmup': '2000' },
  targets: [
    { metric: 'timesSteady', isAbsolute: true, atMost: 1.5 },
    { metric: 'lost', isAbsolute: true, atMost: 0 },
  ],

  async measure({ subject, signal }: Bench, visiting: Visiting): Promise<Sample> {
    const rewarmed = await visiting(forSeconds(REWARM_SECONDS));
    const steady = await visiting(forSeconds(STEADY_SECONDS));
    let end = Number.POSITIVE_INFINITY;
    const visits = visiting(() => performance.now() >= end);
    let reloadMs: Milliseconds;
    try {
      reloadMs = await subject.timedReload(signal);
      end = performance.now() + AFTER_MS;
    } finally {
      end = Math.min(end, performance.now() + AFTER_MS);
    }
    const after = await visits;
    const [steadyP99Ms, reloadP99Ms] = [steady, after].map(({ timesMs }) => quantile(timesMs, 0.99) ?? 0);
    const lost = [...after.failures.values()].reduce((sum, count) => sum + count, 0);
    return {
      values: {
        steadyP99Ms: steadyP99Ms ?? 0,
        reloadP99Ms: reloadP99Ms ?? 0,
        timesSteady: (reloadP99Ms ?? 0) / (steadyP99Ms ?? 0),
        slowestMs: Math.max(...after.timesMs),
        reloadMs,
        lost,
      },
      // Lost pages are what is measured, no doubt about it.
      problems: [...describeVisit(rewarmed), ...describeVisit(steady)],
    };
  },
};

/** What a deployment costs whoever visits a real application: scripts have to be compiled again. */
export const reloadedRealPages: readonly Scenario[] = APPLICATIONS.map(
  (application) => new RealPageScenario(application, reloadMeasurement),
);
