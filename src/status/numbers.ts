import { SHORT_MONTHS } from '../text/months.js';
import type { Seconds } from '../units.js';

/** Programs that read the pages keep such numbers in signed 64 bits: a larger one would turn negative there. */
const HIGHEST = 2n ** 63n - 1n;
/** Far above any real load; keeps `toFixed` from writing an exponent. */
const HIGHEST_PERCENT = 1e15;
/** The last second that a Date can hold. */
const LATEST_EPOCH_S = 8.64e12;

/** Digits only, from 0 to 2^63-1: a value outside is shown as the nearer bound, NaN as 0. */
export function integerText(value: number | bigint): string {
  if (typeof value === 'number') {
    // From 1e21 on JavaScript writes an exponent.
    return Number.isNaN(value) ? '0' : clamped(value === Infinity ? HIGHEST : bigintOf(value));
  }
  return clamped(value);
}

function bigintOf(value: number): bigint {
  return value === -Infinity ? 0n : BigInt(Math.trunc(value));
}

function clamped(value: bigint): string {
  if (value < 0n) return '0';
  return (value > HIGHEST ? HIGHEST : value).toString();
}

/** Two decimals. */
export function percentText(value: number): string {
  return Number.isNaN(value) ? '0.00' : Math.min(Math.max(value, 0), HIGHEST_PERCENT).toFixed(2);
}

/**
 * `22/Nov/2026:11:26:29 +0000`, in the time zone of the process, as php-fpm's text and html pages show it.
 *
 * @param offsetMinutes of that time zone east of UTC, at that moment
 */
export function localTimeText(epochS: Seconds, offsetMinutes?: number): string {
  const seconds = Number.isFinite(epochS) ? Math.min(Math.max(epochS, 0), LATEST_EPOCH_S - 86_400) : 0;
  const offset = offsetMinutes ?? -new Date(seconds * 1000).getTimezoneOffset();
  const at = new Date((seconds + offset * 60) * 1000);
  const day = `${two(at.getUTCDate())}/${SHORT_MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}`;
  const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  return `${day}:${clock} ${offsetText(Math.trunc(offset))}`;
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}${two(size % 60)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
