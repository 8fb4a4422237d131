import type { Count, Seconds } from '../units.js';

/** Durations by bucket: see DurationHistogram. */
export interface Buckets {
  /** Upper bounds in rising order, without the last, which is infinite. */
  readonly boundsS: readonly Seconds[];
  /** One more than the bounds. */
  readonly counts: readonly Count[];
}

/**
 * The duration that this share of the requests did not exceed, estimated as if the requests of a bucket were spread
 * evenly over it. A result above the last bound is shown as that bound.
 *
 * @param share 0 to 1
 * @returns undefined without requests
 */
export function quantileS({ boundsS, counts }: Buckets, share: number): Seconds | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!(total > 0)) return undefined;
  const wanted = Math.min(Math.max(share, 0), 1) * total;
  let below = 0;
  for (const [index, upperS] of boundsS.entries()) {
    const count = counts[index] ?? 0;
    if (count > 0 && below + count >= wanted) {
      const lowerS = boundsS[index - 1] ?? 0;
      // Rounding must not lead out of the bucket.
      return Math.min(upperS, lowerS + ((upperS - lowerS) * (wanted - below)) / count);
    }
    below += count;
  }
  return boundsS.at(-1) ?? 0;
}

/**
 * The requests counted between two readings.
 *
 * @returns undefined where counting began anew between them
 */
export function bucketsSince(now: Buckets, before: Buckets): Buckets | undefined {
  const counts = now.counts.map((count, index) => count - (before.counts[index] ?? 0));
  return counts.some((count) => count < 0) ? undefined : { boundsS: now.boundsS, counts };
}
