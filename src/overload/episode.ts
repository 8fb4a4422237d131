import type { Count, Milliseconds } from '../units.js';
import type { QueueLimits } from './overdue.js';

/** Why a client was not served: `queue.timeout` or `queue.max`. */
export type Reason = 'timeout' | 'max';

/** A time of overload, from the first client that was not served until none has been for a while. */
export interface Episode {
  readonly sinceMs: Milliseconds;
  readonly lastMs: Milliseconds;
  /** Clients that were answered, and those that had left. */
  readonly refused: Count;
  readonly gone: Count;
}

const SHORTEST_CALM_MS: Milliseconds = 2000;

/** Goes on with an episode, or begins one. */
export function prolong(
  before: Episode | undefined,
  outcome: 'refused' | 'gone',
  nowMs: Milliseconds,
): Episode {
  const { sinceMs, refused, gone } = before ?? { sinceMs: nowMs, refused: 0, gone: 0 };
  const counts = outcome === 'refused' ? { refused: refused + 1, gone } : { refused, gone: gone + 1 };
  return { sinceMs, lastMs: nowMs, ...counts };
}

/** Nobody has been turned away for as long as a client may wait, or for two seconds. */
export function isOver({ lastMs }: Episode, { timeoutMs }: QueueLimits, nowMs: Milliseconds): boolean {
  return nowMs - lastMs >= Math.max(timeoutMs, SHORTEST_CALM_MS);
}

/** Told as a warning when an episode begins. */
export function beginText(reason: Reason, { timeoutMs, most }: QueueLimits): string {
  const why =
    reason === 'timeout'
      ? `clients have waited for queue.timeout (${timeoutMs / 1000} s)`
      : `more than queue.max (${most}) clients wait`;
  return `overloaded: ${why}; those that have waited longest get 503 Service Unavailable`;
}

/** Told as a notice when an episode is over, or the pool stops. */
export function endText({ sinceMs, lastMs, refused, gone }: Episode): string {
  const seconds = Math.max(1, Math.round((lastMs - sinceMs) / 1000));
  return (
    `overloaded no more: in ${seconds} s ${refused} client(s) got 503 Service Unavailable, ` +
    `${gone} had left before`
  );
}
