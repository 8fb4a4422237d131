import { ProtocolError } from '../errors.js';
import type { Count, Milliseconds } from '../units.js';

/** How often a zygote is asked for an echo, and at how many checks in a row one may be missing. */
const INTERVAL_MS: Milliseconds = 5000;
const MOST_SILENT_CHECKS: Count = 2;

export interface HeartbeatParts {
  /** Asks the zygote for an `echoed`. */
  readonly ask: () => void;
  /** It has not answered for too long. Called at each check from then on. */
  readonly onSilent: () => void;
}

/**
 * Whether a zygote still answers. One that is stopped or hangs keeps its pool from growing and its generation from
 * ending, and no signal or closed descriptor tells so.
 */
export class Heartbeat {
  readonly #parts: HeartbeatParts;
  #timer: NodeJS.Timeout | undefined;
  #asked: Count = 0;
  #heard: Count = 0;
  #silentChecks: Count = 0;

  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#check(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Asks for an echo besides those of the timer. The zygote answers in order: what it had to report before is here when
   * the answer is.
   *
   * @returns the echo's number, from 1
   */
  ask(): Count {
    this.#parts.ask();
    return ++this.#asked;
  }

  /**
   * The zygote has answered.
   *
   * @returns how many echoes it has answered so far
   * @throws ProtocolError where none is due
   */
  onEchoed(): Count {
    this.#silentChecks = 0;
    if (this.#heard >= this.#asked) throw new ProtocolError('ECHOED that was not asked for');
    return ++this.#heard;
  }

  #check(): void {
    if (this.#heard < this.#asked) this.#silentChecks++;
    if (this.#silentChecks >= MOST_SILENT_CHECKS) this.#parts.onSilent();
    else this.ask();
  }
}
