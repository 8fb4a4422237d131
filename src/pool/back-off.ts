import type { Count, Milliseconds } from '../units.js';

/** What is known of a worker that ended without being told to. */
export interface UnexpectedEnd {
  readonly ageMs: Milliseconds;
  /** Exit code 0, as when a request limit is reached. */
  readonly isInOrder: boolean;
  /** It had begun at least one request. */
  readonly hasServed: boolean;
}

/** A worker that lives longer than this did start. */
const YOUNG_MS: Milliseconds = 1000;
const FIRST_DELAY_MS: Milliseconds = 100;
const LONGEST_DELAY_MS: Milliseconds = 30_000;
/** Workers that crash on requests are replaced at once, but no faster than the machine can bear. */
const CRASH_DELAY_MS: Milliseconds = 20;
/** Share of a delay by which it varies. */
const JITTER = 0.25;

/**
 * A delay, a quarter less to a quarter more: pools that failed together do not try again together.
 *
 * @param random 0 to 1
 */
export function varied(delayMs: Milliseconds, random: number): Milliseconds {
  return delayMs * (1 - JITTER + 2 * JITTER * random);
}

/** Starts that failed one after another. */
export function failuresAfter(failures: Count, end: UnexpectedEnd): Count {
  return end.ageMs < YOUNG_MS && !end.hasServed ? failures + 1 : 0;
}

/**
 * How long the pool waits before it forks again.
 *
 * @param failures starts that failed one after another, this one included
 * @param random 0 to 1
 */
export function replacementDelay(failures: Count, end: UnexpectedEnd, random: number): Milliseconds {
  if (failures > 0) {
    // The first failure may be an accident; a second in a row is a pattern.
    const delay = failures === 1 ? 0 : FIRST_DELAY_MS * 2 ** Math.min(failures - 2, 20);
    return varied(Math.min(delay, LONGEST_DELAY_MS), random);
  }
  return end.isInOrder || end.ageMs >= YOUNG_MS ? 0 : CRASH_DELAY_MS;
}
