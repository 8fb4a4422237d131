import { BASELINE, comparisonOf, JUDGED, type ScenarioResult, summaryOf, type Verdict } from './results.js';
import type { Metric } from './scenario.js';
import type { Summary } from './statistics.js';

const COMPARISON_TITLES = { ratio: `× ${BASELINE}`, difference: `− ${BASELINE}` };
const COMPARISON_DIGITS = 2;

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
export function renderVerdict({ scenario, metric, target, reached, isMet }: Verdict): string {
  const against = target.isAbsolute ? '' : `, ${COMPARISON_TITLES[metric.comparison ?? 'ratio']}`;
  const limits = [
    ...(target.atLeast === undefined ? [] : [`at least ${target.atLeast}`]),
    ...(target.atMost === undefined ? [] : [`at most ${target.atMost}`]),
  ];
  const value =
    reached === undefined ? `${JUDGED} or ${BASELINE} not measured` : reached.toFixed(COMPARISON_DIGITS);
  return `${isMet ? 'PASS' : 'MISS'} ${scenario}: ${metric.title}${against}: ${value} (${limits.join(', ')})`;
}
