import type { Count, Milliseconds } from '../units.js';
import type { UnexpectedEnd } from './back-off.js';
import type { Generation } from './generation.js';
import { Recovery, ZYGOTE_LONGEST_DELAY_MS } from './recovery.js';

/** What a pool's retries work with. */
export interface RetriesParts {
  /** To the log, as a line of the pool. */
  readonly tell: (level: 'error' | 'warning', text: string) => void;
  /** Monotonic. */
  readonly nowMs: () => Milliseconds;
  /** Neither before the pool's start nor during its stop. */
  readonly isPoolRunning: () => boolean;
  /** The generation that serves. */
  readonly generation: () => Pick<Generation, 'isRunning'> | undefined;
  /** Generations that another has taken the place of, so far: what was begun before is out of date after it. */
  readonly replacements: () => Count;
  /** Starts the generation that serves from then on. @returns why there is none */
  readonly startGeneration: () => Promise<string | undefined>;
  /** A delay is over, or a zygote is ready: workers may be forked. */
  readonly onMayFork: () => void;
}

/** Reason after an exception that nobody foresaw; the master logs it with its stack trace. */
const OUR_MISTAKE = 'internal error';

/** Carries out what {@link Recovery} decides: tells, waits and starts again; one delay at a time for the whole pool. */
export class Retries {
  readonly #parts: RetriesParts;
  readonly #recovery = new Recovery();
  /** Set until the delay is over, and where a zygote is started then, until that is done. */
  #timer: NodeJS.Timeout | undefined;
  #isZygoteStarting = false;

  constructor(parts: RetriesParts) {
    this.#parts = parts;
  }

  /** While this is true nothing may be forked. */
  get isWaiting(): boolean {
    return this.#timer !== undefined || this.#isZygoteStarting;
  }

  get hasDeadSocket(): boolean {
    return this.#recovery.hasDeadSocket;
  }

  /** Why no worker can be started at present; undefined where one can. */
  get trouble(): string | undefined {
    return this.#recovery.trouble({
      hasGeneration: this.#parts.generation() !== undefined,
      isWaiting: this.#timer !== undefined,
      nowMs: this.#parts.nowMs(),
    });
  }

  /** @returns whether the new worker takes the place of one that has ended unasked */
  onForked(): boolean {
    return this.#recovery.onForked();
  }

  onForkFailed(reason: string): void {
    const { tell, nowMs, isPoolRunning } = this.#parts;
    if (this.#recovery.onForkRefused(reason, nowMs())) tell('error', `fork() failed: ${reason}`);
    if (isPoolRunning() && this.#timer === undefined)
      this.#waitFor(this.#recovery.nextForkDelay(Math.random()));
  }

  /** A worker has ended that nobody had told to. */
  onWorkerEnded(end: UnexpectedEnd): void {
    const delayMs = this.#recovery.onWorkerEnded(end, Math.random());
    if (this.#timer !== undefined) return;
    if (delayMs === 0) {
      this.#parts.onMayFork();
      return;
    }
    if (delayMs >= 1000)
      this.#parts.tell(
        'warning',
        `children end as soon as they start (${this.#recovery.workerFailures} in a row); ` +
          `starting the next in ${(delayMs / 1000).toFixed(1)} s`,
      );
    this.#waitFor(delayMs);
  }

  /** `pm = ondemand`: the first client is there. */
  async startFirstZygote(): Promise<void> {
    this.#isZygoteStarting = true;
    let failure: string | undefined = OUR_MISTAKE;
    try {
      failure = await this.#parts.startGeneration();
    } finally {
      this.#isZygoteStarting = false;
      this.#afterZygoteStart(failure);
    }
  }

  /** The zygote was lost, or could not be started. */
  onZygoteFailed(reason: string): void {
    const { isPoolRunning, tell } = this.#parts;
    if (!isPoolRunning()) return;
    clearTimeout(this.#timer);
    const delayMs = this.#recovery.onZygoteFailed();
    tell('error', `${reason}; starting another${delayMs === 0 ? '' : ` in ${delayMs / 1000} s`}`);
    this.#timer = setTimeout(() => void this.#tryZygoteAgain(), delayMs);
  }

  /** The zygote has lived for as long as it was wanted: that there is none now is no trouble. */
  onZygoteEnded(): void {
    this.#recovery.onZygoteHeld();
  }

  /** @returns whether that is news */
  onSocket(state: { readonly isDead: boolean }): boolean {
    return this.#recovery.onSocket(state);
  }

  /** What kept workers from staying is mended: nothing is waited for any more. */
  onCauseMended(): void {
    this.#recovery.onCauseMended();
    this.stop();
  }

  /** Another generation serves. */
  onReplaced(): void {
    this.#recovery.onReplaced();
    this.stop();
  }

  /** Nothing is started any more by itself. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #waitFor(delayMs: Milliseconds): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#recovery.onRetried(this.#parts.nowMs());
      this.#parts.onMayFork();
    }, delayMs);
  }

  async #tryZygoteAgain(): Promise<void> {
    const { replacements, startGeneration } = this.#parts;
    const before = replacements();
    let failure: string | undefined = OUR_MISTAKE;
    try {
      failure = await startGeneration();
    } finally {
      if (before === replacements()) {
        this.#timer = undefined; // otherwise it is another's
        this.#afterZygoteStart(failure);
      }
    }
  }

  #afterZygoteStart(failure: string | undefined): void {
    if (failure !== undefined) {
      this.onZygoteFailed(failure);
      return;
    }
    if (this.#parts.isPoolRunning())
      setTimeout(() => {
        if (this.#parts.generation()?.isRunning) this.#recovery.onZygoteHeld();
      }, ZYGOTE_LONGEST_DELAY_MS).unref();
    this.#parts.onMayFork();
  }
}
