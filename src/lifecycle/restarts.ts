import { monotonicClockUs } from '../os/clock.js';
import type { Milliseconds } from '../units.js';
import { NO_RESTARTS, type RestartHistory, restartDelay, withRestart } from './mistakes.js';

/** When the master restarts in place after a mistake: at once, or after a pause if it has restarted lately. */
export class Restarts {
  readonly #nowMs: () => Milliseconds;
  #history: RestartHistory;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;

  /**
   * @param history of this process so far; default: none
   * @param nowMs monotonic, of the machine
   */
  constructor(history: RestartHistory = NO_RESTARTS, nowMs: () => Milliseconds = machineMs) {
    this.#history = history;
    this.#nowMs = nowMs;
  }

  get history(): RestartHistory {
    return this.#history;
  }

  /** A restart is to begin as soon as nothing else goes on. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /**
   * After a mistake; a restart that is scheduled already stays the next one.
   *
   * @param onDue called when it is due
   * @returns how long until then
   */
  schedule(onDue: () => void): Milliseconds {
    const delayMs = restartDelay(this.#history, this.#nowMs());
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#isDue = true;
      onDue();
    }, delayMs);
    return delayMs;
  }

  /** The restart that is due begins now. */
  begin(): void {
    this.#isDue = false;
    this.#history = withRestart(this.#history, this.#nowMs());
  }
}

function machineMs(): Milliseconds {
  return Number(monotonicClockUs()) / 1000;
}
