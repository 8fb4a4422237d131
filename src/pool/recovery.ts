import type { Count, Milliseconds } from '../units.js';
import { failuresAfter, replacementDelay, type UnexpectedEnd } from './back-off.js';
import { ForkRefusals } from './fork-refusals.js';

/** A worker that was started after others had failed, and lives so long, is no failure. */
const TRUSTED_AFTER_MS: Milliseconds = 1000;
/** The second start in a row of a zygote waits twice as long, the next four times. */
const ZYGOTE_DELAY_UNIT_MS: Milliseconds = 1000;
/** A zygote that lives longer than the longest delay did start. */
export const ZYGOTE_LONGEST_DELAY_MS: Milliseconds = 30_000;

/** What a pool has at the moment when it is asked for its trouble. */
export interface Attempt {
  readonly hasGeneration: boolean;
  /** The next start waits until a delay is over. */
  readonly isWaiting: boolean;
  readonly nowMs: Milliseconds;
}

/**
 * What a pool has failed at, and how long it waits before it tries again. Holds no timer and reads no clock: times are
 * monotonic.
 */
export class Recovery {
  /** Starts of workers that failed one after another. */
  #workerFailures: Count = 0;
  /** Starts of zygotes that failed one after another, and losses of zygotes. */
  #zygoteFailures: Count = 0;
  /** Workers that have ended unasked and have no successor yet. */
  #replacementsDue: Count = 0;
  #retriedAtMs: Milliseconds = Number.NEGATIVE_INFINITY;
  #hasDeadSocket = false;
  readonly #refusals = new ForkRefusals();

  get workerFailures(): Count {
    return this.#workerFailures;
  }

  get hasDeadSocket(): boolean {
    return this.#hasDeadSocket;
  }

  /** Why no worker can be started at present; undefined where one can. */
  trouble({ hasGeneration, isWaiting, nowMs }: Attempt): string | undefined {
    // The start after a delay may be too young to say that it did not fail.
    const mayFailAgain = isWaiting || nowMs - this.#retriedAtMs < TRUSTED_AFTER_MS;
    if (this.#zygoteFailures > 0 && !hasGeneration) return 'its zygote cannot be started';
    if (this.#hasDeadSocket) return 'its listening socket was shut down';
    if (this.#refusals.reason !== undefined && mayFailAgain) return `fork() failed: ${this.#refusals.reason}`;
    if (this.#workerFailures > 1 && mayFailAgain) return 'its workers end as soon as they start';
    return undefined;
  }

  /**
   * A worker has ended that nobody had told to.
   *
   * @param random 0 to 1
   * @returns how long to wait before the next fork; 0 is not at all
   */
  onWorkerEnded(end: UnexpectedEnd, random: number): Milliseconds {
    this.#workerFailures = failuresAfter(this.#workerFailures, end);
    this.#replacementsDue++;
    return replacementDelay(this.#workerFailures, end, random);
  }

  /** @returns whether the new worker takes the place of one that has ended unasked */
  onForked(): boolean {
    this.#refusals.onForked();
    if (this.#replacementsDue === 0) return false;
    this.#replacementsDue--;
    return true;
  }

  /** The system has refused a fork. @returns whether that is news to the administrator */
  onForkRefused(reason: string, nowMs: Milliseconds): boolean {
    return this.#refusals.onRefused(reason, nowMs);
  }

  /**
   * How long to wait after a refusal; one delay for all forks that were refused together.
   *
   * @param random 0 to 1
   */
  nextForkDelay(random: number): Milliseconds {
    return this.#refusals.nextDelay(random);
  }

  /** The zygote was lost or could not be started. @returns how long to wait before the next; 0 for the first */
  onZygoteFailed(): Milliseconds {
    const delayMs = Math.min(ZYGOTE_DELAY_UNIT_MS * 2 ** this.#zygoteFailures, ZYGOTE_LONGEST_DELAY_MS);
    return this.#zygoteFailures++ === 0 ? 0 : delayMs;
  }

  /** A zygote lives for longer than {@link ZYGOTE_LONGEST_DELAY_MS}, or has lived for as long as it was wanted. */
  onZygoteHeld(): void {
    this.#zygoteFailures = 0;
  }

  /** A delay is over, and workers are started again. */
  onRetried(nowMs: Milliseconds): void {
    this.#retriedAtMs = nowMs;
  }

  /** The listening socket takes no clients any more, or does so again. @returns whether it was otherwise before */
  onSocket({ isDead }: { readonly isDead: boolean }): boolean {
    const isOther = isDead !== this.#hasDeadSocket;
    this.#hasDeadSocket = isDead;
    return isOther;
  }

  /** What kept workers from staying is mended. */
  onCauseMended(): void {
    this.#workerFailures = 0;
  }

  /** Another generation: failures of the one before do not count. What the system refuses is not the generation's. */
  onReplaced(): void {
    this.#workerFailures = this.#zygoteFailures = this.#replacementsDue = 0;
    this.#hasDeadSocket = false;
  }
}
