import type { Bytes, Count, Milliseconds, Seconds } from '../units.js';

// Numbers as short texts of a bounded width.

const UNKNOWN = '-';

/** The text padded or cut to `width`; one that is cut ends in `~`. */
export function fitted(text: string, width: Count, side: 'left' | 'right' = 'left'): string {
  const cells =
    text.length > width ? `${text.slice(0, Math.max(0, width - 1))}${width > 0 ? '~' : ''}` : text;
  return side === 'left' ? cells.padEnd(width) : cells.padStart(width);
}

/** `950`, `12k`, `4.5M`: at most six characters. */
export function countText(count: Count | undefined): string {
  if (count === undefined || !Number.isFinite(count)) return UNKNOWN;
  return scaled(Math.max(0, count), 1000, ['', 'k', 'M', 'G', 'T', 'P']);
}

/** Requests a second, with a decimal while there are few. */
export function rateText(perS: number | undefined): string {
  if (perS === undefined || !Number.isFinite(perS)) return UNKNOWN;
  return perS > 0 && perS < 100 ? perS.toFixed(1) : countText(Math.round(perS));
}

/** `24M`, `1.2G`: in powers of 1024. */
export function bytesText(bytes: Bytes | undefined): string {
  if (bytes === undefined || !Number.isFinite(bytes)) return UNKNOWN;
  return scaled(Math.max(0, bytes), 1024, ['B', 'K', 'M', 'G', 'T', 'P']);
}

export function percentText(percent: number | undefined): string {
  if (percent === undefined || !Number.isFinite(percent)) return UNKNOWN;
  return percent > 0 && percent < 10
    ? percent.toFixed(1)
    : String(Math.min(Math.round(Math.max(0, percent)), 99_999));
}

/** `0.8ms`, `120ms`, `3.2s`, `5m`, `2h`: how long something took. */
export function tookText(ms: Milliseconds | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return UNKNOWN;
  const positive = Math.max(0, ms);
  if (positive < 9.95) return `${positive.toFixed(1)}ms`;
  if (positive < 999.5) return `${positive.toFixed(0)}ms`;
  if (positive < 99_950) return `${(positive / 1000).toFixed(1)}s`;
  return ageText(positive / 1000);
}

/** `12s`, `45m`, `2h`, `3d`. */
export function ageText(seconds: Seconds): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return `${whole}s`;
  if (whole < 7200) return `${Math.floor(whole / 60)}m`;
  if (whole < 172_800) return `${Math.floor(whole / 3600)}h`;
  return `${Math.min(Math.floor(whole / 86_400), 99_999)}d`;
}

/** In the largest unit of which it is 1 or more; with a decimal below 10. */
function scaled(value: number, step: number, units: readonly string[]): string {
  let [rest, unit] = [value, 0];
  while (Math.round(rest) >= step && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = unit > 0 && rest < 9.95 ? rest.toFixed(1) : String(Math.min(Math.round(rest), 99_999));
  return `${digits}${units[unit]}`;
}

/** `12.3M`: always in the same unit and with a decimal, so that two such texts compare. */
export function mebibytesText(bytes: Bytes): string {
  return `${(bytes / 1024 ** 2).toFixed(1)}M`;
}
