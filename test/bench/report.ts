import {
  BASELINE,
  COMPARISON_DIGITS,
  comparisonOf,
  JUDGED,
  noiseIn,
  type ScenarioResult,
  summaryOf,
  type Verdict,
} from './results.js';
import type { Metric } from './scenario.js';
import type { Summary } from './statistics.js';

const COMPARISON_TITLES = { ratio: `× ${BASELINE}`, difference: `− ${BASELINE}` };

function withRange(summary: Summary | undefined, digits: number): string {
  if (summary === undefined) return '-';
  const { median, min, max } = summary;
  const [middle, low, high] = [median, min, max].map((value) => value.toFixed(digits));
  return low === high ? `${middle}` : `${middle} (${low}-${high})`;
}

function headOf(metric: Metric): string[] {
  return metric.comparison === undefined
    ? [metric.title]
    : [metric.title, COMPARISON_TITLES[metric.comparison]];
}

function cellsOf(result: ScenarioResult, subject: string, metric: Metric): string[] {
  const value = withRange(summaryOf(result, subject, metric), metric.digits);
  if (metric.comparison === undefined) return [value];
  if (subject === BASELINE) return [value, metric.comparison === 'ratio' ? '1' : '0'];
  const compared = comparisonOf(result, subject, metric.key, metric.comparison);
  return [value, withRange(compared, COMPARISON_DIGITS)];
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  // The first two columns name things, the others hold numbers.
  const rule = head.map((_, column) => (column < 2 ? '---' : '--:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** A table for each set of metrics; medians, with the range over the rounds in parentheses. */
export function renderTables(results: readonly ScenarioResult[]): string {
  const metricSets = new Set(results.map((result) => result.scenario.metrics));
  const tables = [...metricSets].map((metrics) => {
    const rows = results
      .filter((result) => result.scenario.metrics === metrics)
      .flatMap((result) =>
        result.subjects.map(({ name }) => [
          result.scenario.title,
          name,
          ...metrics.flatMap((metric) => cellsOf(result, name, metric)),
        ]),
      );
    return markdownTable(['scenario', 'served by', ...metrics.flatMap(headOf)], rows);
  });
  return tables.join('\n\n');
}

/** `PASS hello world, ...: requests/s 1.22 × php-fpm (at least 1.15)` */
export function renderVerdict(verdict: Verdict): string {
  const { scenario, metric, target, reached, outcome, roundsReaching, rounds } = verdict;
  const against = target.isAbsolute ? '' : `, ${COMPARISON_TITLES[metric.comparison ?? 'ratio']}`;
  const limits = [
    ...(target.atLeast === undefined ? [] : [`at least ${target.atLeast}`]),
    ...(target.atMost === undefined ? [] : [`at most ${target.atMost}`]),
  ];
  const value =
    reached === undefined ? `${JUDGED} or ${BASELINE} not measured` : reached.toFixed(COMPARISON_DIGITS);
  const open = outcome === 'OPEN' ? `; ${roundsReaching} of ${rounds} rounds reach it: not decided` : '';
  return `${outcome} ${scenario}: ${metric.title}${against}: ${value} (${limits.join(', ')}${open})`;
}

/** Whether others wanted the machine, in one line; the worst of it is named. */
export function renderNoise(results: readonly ScenarioResult[]): string {
  const rounds = results.flatMap((result) => noiseIn(result));
  const worst = rounds.reduce<(typeof rounds)[number] | undefined>(
    (most, each) => (most === undefined || each.percent > most.percent ? each : most),
    undefined,
  );
  if (worst === undefined) return 'The machine was quiet: nobody else wanted it.';
  return `The machine was noisy in ${rounds.length} measurements: others took up to ${worst.percent.toFixed(0)} % of its processors (${worst.where}).`;
}
