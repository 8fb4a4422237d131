import { LENGTH_BYTES } from './limits.js';

// CONTENT_LENGTH as `strtol` reads it: blanks and a plus sign before the digits are passed over, and what follows them
// does no harm. php-fpm shows a negative length as a number near 2^64; here it is 0.

const DIGITS = /^[ \t\n\v\f\r]*\+?(\d+)/;
/** Where `strtol` stops counting. */
const HIGHEST = 2n ** 63n - 1n;

/** @returns bytes, 0 where there is no length; not exact above 2^53 */
export function contentLength(text: string | undefined): number {
  const digits = text && DIGITS.exec(text)?.[1];
  return digits ? Number(digits) : 0;
}

/** @returns bytes, 0 where there is no length; 2^63 - 1 for every length above it */
export function exactContentLength(text: string): bigint {
  const digits = DIGITS.exec(text)?.[1];
  if (digits === undefined) return 0n;
  // A hostile worker may have put megabytes of digits there: only so many are read.
  const length = BigInt(digits.replace(/^0+(?=\d)/, '').slice(0, LENGTH_BYTES));
  return length > HIGHEST ? HIGHEST : length;
}
