import { metricText } from '../text/harmless.js';
import type { Count } from '../units.js';

/** What a scraper may ask for: OpenMetrics 1.0, or Prometheus' text format 0.0.4. */
export type ExpositionFormat = 'openmetrics' | 'prometheus';

export const EXPOSITION_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
};

export interface Sample {
  /** From {@link labelText}; empty for none. */
  readonly labels: string;
  readonly value: number | bigint;
  /** `_bucket`, `_count` or `_sum` in a histogram. Counters and infos get their suffix from the renderer. */
  readonly suffix?: string;
}

/**
 * A metric family. `legacyCounter` is a counter that dashboards know by a name without `_total`. OpenMetrics does not
 * allow that, and `promtool check metrics` complains of it, so no type is told.
 */
export interface MetricFamily {
  readonly name: string;
  readonly type: 'counter' | 'legacyCounter' | 'gauge' | 'histogram' | 'info';
  readonly help: string;
  /** The end of the name, which OpenMetrics wants told. */
  readonly unit?: 'seconds' | 'bytes';
  readonly samples: Iterable<Sample>;
}

/** Rendered in well under a millisecond. */
const PIECE_CHARACTERS: Count = 16_384;

const SUFFIXES = { counter: '_total', info: '_info', legacyCounter: '', gauge: '', histogram: '' } as const;

const TYPES = {
  openmetrics: {
    counter: 'counter',
    legacyCounter: 'unknown',
    gauge: 'gauge',
    histogram: 'histogram',
    info: 'info',
  },
  prometheus: {
    counter: 'counter',
    legacyCounter: 'untyped',
    gauge: 'gauge',
    histogram: 'histogram',
    info: 'gauge',
  },
} as const;

/** What comes after the last family. */
export function expositionEnd(format: ExpositionFormat): string {
  return format === 'openmetrics' ? '# EOF\n' : '';
}

/** One family, in pieces of some kilobytes; nothing where it has no samples. */
export function* renderFamily(family: MetricFamily, format: ExpositionFormat): Generator<string> {
  const sampleName = family.name + SUFFIXES[family.type];
  const head = familyHead(family, sampleName, format);
  let text = head;
  for (const { labels, value, suffix = '' } of family.samples) {
    text += `${sampleName}${suffix}${labels} ${numberText(value)}\n`;
    if (text.length < PIECE_CHARACTERS) continue;
    yield text;
    text = '';
  }
  if (text !== head) yield text;
}

function familyHead(family: MetricFamily, sampleName: string, format: ExpositionFormat): string {
  // In OpenMetrics the family has the name without suffix, in the older format the name of the samples.
  const name = format === 'openmetrics' ? family.name : sampleName;
  const unit = format === 'openmetrics' && family.unit !== undefined ? `# UNIT ${name} ${family.unit}\n` : '';
  return `# HELP ${name} ${helpText(family.help, format)}\n# TYPE ${name} ${TYPES[format][family.type]}\n${unit}`;
}

/** In a help text, the older format has no escaped quotes. */
function helpText(help: string, format: ExpositionFormat): string {
  const escaped = metricText(help);
  return format === 'openmetrics' ? escaped : escaped.replaceAll('\\"', '"');
}

/** Labels as they stand behind a name: `{pool="www"}`. Made once for all samples that have the same. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${metricText(value)}"`);
  return `{${pairs.join(',')}}`;
}

/** One more label behind others. */
export function withLabel(labels: string, name: string, value: string): string {
  return `${labels.slice(0, -1)},${name}="${metricText(value)}"}`;
}

function numberText(value: number | bigint): string {
  if (typeof value === 'bigint' || Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

/** A bound as OpenMetrics writes it: `1.0`, not `1`, in both formats, so that a scraper sees one series. */
export function bucketBound(upperBound: number): string {
  if (upperBound === Infinity) return '+Inf';
  return Number.isInteger(upperBound) ? upperBound.toFixed(1) : String(upperBound);
}
