import type { Count, Milliseconds } from '../units.js';

/** Sums over all pools at one moment. */
export interface ServiceLoad {
  readonly active: Count;
  readonly idle: Count;
  /** Requests begun since the start. */
  readonly requests: bigint;
  readonly slow: bigint;
}

/** The journal has the rest. */
const LONGEST_TROUBLE = 400;

/** What is wrong comes first: `systemctl status` shows one line. */
export function statusWith(trouble: string | undefined, status: string): string {
  if (trouble === undefined) return status;
  const shown = trouble.length > LONGEST_TROUBLE ? `${trouble.slice(0, LONGEST_TROUBLE)}...` : trouble;
  return `${shown}. ${status}`;
}

/** php-fpm's line for `systemctl status` before there is anything to count. */
export const READY_STATUS = 'Ready to handle connections';

/**
 * php-fpm's line for `systemctl status`.
 *
 * @param before requests when it was last shown
 * @param elapsedMs since then
 */
export function loadStatus(load: ServiceLoad, before: bigint, elapsedMs: Milliseconds): string {
  const { active, idle, requests, slow } = load;
  // Fewer than before: a generation has ended, and its counts with it.
  const handled = requests > before ? Number(requests - before) : 0;
  const perSecond = elapsedMs > 0 ? (handled * 1000) / elapsedMs : 0;
  const traffic = `${perSecond.toFixed(2)}req/sec`;
  return `Processes active: ${active}, idle: ${idle}, Requests: ${requests}, slow: ${slow}, Traffic: ${traffic}`;
}
