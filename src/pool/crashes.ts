import { constants } from 'node:os';
import type { ExitStatus } from '../os/process.js';
import type { Count, Milliseconds, Seconds } from '../units.js';

const { SIGSEGV, SIGBUS } = constants.signals;

/** What php-fpm counts for an emergency restart: broken memory, not a signal that somebody sent. */
export function isCrash(status: ExitStatus | undefined): boolean {
  return status?.kind === 'signaled' && (status.signal === SIGSEGV || status.signal === SIGBUS);
}

/** `emergency_restart_threshold` and `emergency_restart_interval`. */
export class CrashCounter {
  readonly #threshold: Count;
  readonly #intervalMs: Milliseconds;
  #timesMs: Milliseconds[] = [];

  /** Either of them 0 is off. */
  constructor({ threshold, intervalS }: { readonly threshold: Count; readonly intervalS: Seconds }) {
    this.#threshold = threshold;
    this.#intervalMs = intervalS * 1000;
  }

  /**
   * @param nowMs monotonic
   * @returns true when so many crashes fell into the interval; counting then starts anew
   */
  add(nowMs: Milliseconds): boolean {
    if (this.#threshold <= 0 || this.#intervalMs <= 0) return false;
    this.#timesMs = [...this.#timesMs, nowMs].slice(-this.#threshold);
    const [first = nowMs] = this.#timesMs;
    if (this.#timesMs.length < this.#threshold || nowMs - first > this.#intervalMs) return false;
    this.#timesMs = [];
    return true;
  }
}
