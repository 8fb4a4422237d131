import type { Count, Milliseconds } from '../units.js';
import { varied } from './back-off.js';

const FIRST_DELAY_MS: Milliseconds = 100;
/** Not longer: clients may be waiting for the first process that is allowed. */
const LONGEST_DELAY_MS: Milliseconds = 2000;
/** How long without a refusal is the end of it: where a limit is reached some forks succeed now and then. */
const EPISODE_END_MS: Milliseconds = 10_000;

/** Forks that the system refuses (EAGAIN of a limit on processes, ENOMEM): told once, and tried again ever later. */
export class ForkRefusals {
  #reason: string | undefined;
  #rounds: Count = 0;
  #lastAtMs: Milliseconds = Number.NEGATIVE_INFINITY;

  /** Why the last fork was refused; undefined where it was not. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** @returns whether that is news to the administrator */
  onRefused(reason: string, nowMs: Milliseconds): boolean {
    const isNews = nowMs - this.#lastAtMs > EPISODE_END_MS;
    this.#reason = reason;
    this.#lastAtMs = nowMs;
    return isNews;
  }

  /**
   * Before the next try; one delay for all that were refused together.
   *
   * @param random 0 to 1
   */
  nextDelay(random: number): Milliseconds {
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(this.#rounds++, 10), LONGEST_DELAY_MS);
    return varied(delayMs, random);
  }

  onForked(): void {
    this.#reason = undefined;
    this.#rounds = 0;
  }
}
