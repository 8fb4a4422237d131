import type { Metric, Sample, Scenario, Target } from './scenario.js';
import { type Comparison, compareRounds, type Rounds, type Summary, summarize } from './statistics.js';

/** What the others are measured against. */
export const BASELINE = 'php-fpm';
/** Whose targets are judged. */
export const JUDGED = 'tsfpm';

export interface SubjectResult {
  readonly name: string;
  /** In the order of the rounds. */
  readonly samples: Sample[];
  /** From start, warm-up and stop. */
  readonly problems: string[];
}

export interface ScenarioResult {
  readonly scenario: Pick<Scenario, 'name' | 'title' | 'metrics' | 'targets'>;
  readonly subjects: readonly SubjectResult[];
}

function roundsOf(result: ScenarioResult, subject: string, metric: string): Rounds {
  const samples = result.subjects.find((each) => each.name === subject)?.samples ?? [];
  return samples.map((sample) => sample.values[metric]);
}

export function summaryOf(result: ScenarioResult, subject: string, metric: Metric): Summary | undefined {
  return summarize(roundsOf(result, subject, metric.key));
}

/** Against the baseline in the same rounds; `undefined` if one of both has nothing to compare. */
export function comparisonOf(
  result: ScenarioResult,
  subject: string,
  metric: string,
  comparison: Comparison,
): Summary | undefined {
  const baseline = roundsOf(result, BASELINE, metric);
  return summarize(compareRounds(roundsOf(result, subject, metric), baseline, comparison));
}

/** All problems, each with where it was met. */
export function problemsOf(results: readonly ScenarioResult[]): string[] {
  return results.flatMap(({ scenario, subjects }) =>
    subjects.flatMap(({ name, samples, problems }) => {
      const where = `${scenario.name}, ${name}`;
      const measured = samples.flatMap((sample, round) =>
        sample.problems.map((problem) => `${where}, round ${round + 1}: ${problem}`),
      );
      return [...problems.map((problem) => `${where}: ${problem}`), ...measured];
    }),
  );
}

export interface Verdict {
  readonly scenario: string;
  readonly metric: Metric;
  readonly target: Target;
  /** Median of the rounds; `undefined` if it was not measured, which is a miss. */
  readonly reached: number | undefined;
  readonly isMet: boolean;
}

function judge(result: ScenarioResult, target: Target): Verdict {
  const metric = result.scenario.metrics.find((each) => each.key === target.metric);
  if (metric === undefined) throw new Error(`no metric for a target: ${target.metric}`);
  const reached = reachedBy(result, metric, target);
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = target;
  const isMet = reached !== undefined && reached >= atLeast && reached <= atMost;
  return { scenario: result.scenario.title, metric, target, reached, isMet };
}

function reachedBy(result: ScenarioResult, metric: Metric, target: Target): number | undefined {
  if (target.isAbsolute) return summaryOf(result, JUDGED, metric)?.median;
  if (metric.comparison === undefined) throw new Error(`no comparison for a target: ${target.metric}`);
  return comparisonOf(result, JUDGED, metric.key, metric.comparison)?.median;
}

export function judgeTargets(results: readonly ScenarioResult[]): Verdict[] {
  return results.flatMap((result) => result.scenario.targets.map((target) => judge(result, target)));
}
