import type { Count, Milliseconds } from '../units.js';

// An exception that no step has foreseen is a mistake of this program, and nobody knows what it has left half done. A
// program that starts anew has nothing half done: the master replaces itself in place, like in an upgrade, and requests
// go on.

/** How often, and when last, the program of this process was replaced for a mistake. */
export interface RestartHistory {
  readonly count: Count;
  /** Monotonic, of the machine: it means the same to every program of this process. */
  readonly lastMs: Milliseconds;
}

export const NO_RESTARTS: RestartHistory = { count: 0, lastMs: Number.NEGATIVE_INFINITY };

/** Each restart costs every pool its opcache: a mistake that comes back with it must not take the service with it. */
const FIRST_PAUSE_MS: Milliseconds = 60_000;
const LONGEST_PAUSE_MS: Milliseconds = 3_600_000;

/** How long to wait until the next restart: not at all after a long time without, and longer each time in a row. */
export function restartDelay(history: RestartHistory, nowMs: Milliseconds): Milliseconds {
  return Math.max(0, history.lastMs + pauseAfter(history) - nowMs);
}

/** The history with one more restart, which happens now. */
export function withRestart(history: RestartHistory, nowMs: Milliseconds): RestartHistory {
  const isNewEpisode = nowMs - history.lastMs > 2 * pauseAfter(history);
  return { count: isNewEpisode ? 1 : history.count + 1, lastMs: nowMs };
}

function pauseAfter({ count }: RestartHistory): Milliseconds {
  return count === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (count - 1), LONGEST_PAUSE_MS);
}

/**
 * For the log, with the stack trace: it is what the people who mend the program need.
 *
 * @param next what happens now
 */
export function mistakeText(error: unknown, next = ''): string {
  const stack = error instanceof Error ? error.stack : undefined;
  return `internal error, please report it${next === '' ? '' : `; ${next}`}: ${stack ?? String(error)}`;
}
