import type { ExpositionFormat } from '../status/exposition.js';

interface MediaRange {
  readonly type: string;
  /** 0 to 1. */
  readonly quality: number;
}

const OPENMETRICS = 'application/openmetrics-text';
const PLAIN = 'text/plain';

/**
 * The format for a scraper's Accept header (RFC 9110 section 12.5.1): OpenMetrics if it is named and the older format
 * is not preferred. The older one is for all others, such as curl, which promtool is fed from.
 */
export function chooseExposition(accept: string | undefined): ExpositionFormat {
  const ranges = (accept ?? '').split(',').map(mediaRange);
  if (!ranges.some(({ type }) => type === OPENMETRICS)) return 'prometheus';
  const openmetrics = quality(ranges, OPENMETRICS);
  return openmetrics > 0 && openmetrics >= quality(ranges, PLAIN) ? 'openmetrics' : 'prometheus';
}

function mediaRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  const value = weight === undefined ? 1 : Number(weight.slice('q='.length));
  return { type, quality: Number.isNaN(value) ? 0 : value };
}

/** The quality of the most specific media range that fits. */
function quality(ranges: readonly MediaRange[], wanted: string): number {
  const names = [wanted, `${wanted.split('/', 1)[0]}/*`, '*/*'];
  for (const name of names) {
    const found = ranges.filter(({ type }) => type === name);
    if (found.length > 0) return Math.max(...found.map((range) => range.quality));
  }
  return 0;
}
