import type { Count } from '../../src/units.js';
import type { Metric, Sample, Scenario, Target } from './scenario.js';
import { type Comparison, compareRounds, type Rounds, type Summary, summarize } from './statistics.js';

/** How many of a ratio's or a difference's digits are printed, and judged. */
export const COMPARISON_DIGITS = 2;
/** What the others are measured against. */
export const BASELINE = 'php-fpm';
/** Whose targets are judged. */
export const JUDGED = 'tsfpm';

/** A sample, and what others took of the machine's processors meanwhile: percent, unknown where the kernel does not tell. */
export interface MeasuredSample extends Sample {
  readonly othersPercent?: number | undefined;
}

export interface SubjectResult {
  readonly name: string;
  /** In the order of the rounds. */
  readonly samples: MeasuredSample[];
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

/** What others may take of the machine's processors in a round before it counts as noisy, in percent of all cores. */
const QUIET_PERCENT = 10;

/** The rounds in which others wanted the machine, too: where, and how much of its processors they took, in percent. */
export function noiseIn(result: ScenarioResult): { readonly where: string; readonly percent: number }[] {
  return result.subjects.flatMap(({ name, samples }) =>
    samples.flatMap(({ othersPercent = 0 }, round) =>
      othersPercent > QUIET_PERCENT
        ? [{ where: `${result.scenario.name}, ${name}, round ${round + 1}`, percent: othersPercent }]
        : [],
    ),
  );
}

/** OPEN: the median misses the target, but too many rounds reach it to blame the subject. */
export type Outcome = 'PASS' | 'MISS' | 'OPEN';

export interface Verdict {
  readonly scenario: string;
  readonly metric: Metric;
  readonly target: Target;
  /** Median of the rounds; `undefined` if it was not measured, which is a miss. */
  readonly reached: number | undefined;
  /** How many rounds reach the target, of how many. */
  readonly roundsReaching: Count;
  readonly rounds: Count;
  readonly outcome: Outcome;
}

/** Of the rounds, this part must miss a target, all of them on a noisy machine: the median of some rounds is chance. */
const MISSING_PART = 0.75;

function judge(result: ScenarioResult, target: Target): Verdict {
  const metric = result.scenario.metrics.find((each) => each.key === target.metric);
  if (metric === undefined) throw new Error(`no metric for a target: ${target.metric}`);
  const values = valuesFor(result, metric, target);
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = target;
  // As they are printed: less than that nobody can tell apart.
  const isMet = (value: number) => {
    const printed = Number(value.toFixed(COMPARISON_DIGITS));
    return printed >= atLeast && printed <= atMost;
  };
  const reached = summarize(values)?.median;
  const rounds = values.length;
  const roundsReaching = values.filter(isMet).length;
  const toMiss = noiseIn(result).length > 0 ? rounds : Math.ceil(MISSING_PART * rounds);
  const isMissed = rounds - roundsReaching >= toMiss;
  const outcome = reached !== undefined && isMet(reached) ? 'PASS' : isMissed ? 'MISS' : 'OPEN';
  return { scenario: result.scenario.title, metric, target, reached, roundsReaching, rounds, outcome };
}

/** What is judged of each round. */
function valuesFor(result: ScenarioResult, metric: Metric, target: Target): number[] {
  const values = roundsOf(result, JUDGED, metric.key);
  if (target.isAbsolute) return values.filter((value) => value !== undefined);
  if (metric.comparison === undefined) throw new Error(`no comparison for a target: ${target.metric}`);
  return compareRounds(values, roundsOf(result, BASELINE, metric.key), metric.comparison);
}

export function judgeTargets(results: readonly ScenarioResult[]): Verdict[] {
  return results.flatMap((result) => result.scenario.targets.map((target) => judge(result, target)));
}
