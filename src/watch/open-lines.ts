import type { SlotGlance } from '../scoreboard/scoreboard.js';
import type { Count, Milliseconds } from '../units.js';
import type { WorkerOutput } from '../zygote/worker-output.js';

/** How often lines without an end are checked. */
const CHECK_EVERY_MS: Milliseconds = 200;
/**
 * After so many checks in a row at which no output had come, the rest of a line is not still on its way: output of
 * pools that print much may wait in the master.
 */
const QUIET_CHECKS: Count = 5;

type LineOutput = Pick<WorkerOutput, 'isMidLine' | 'quietChecks' | 'endLine'>;

export interface OpenLinesParts {
  readonly workers: () => Iterable<{ readonly slot: number; readonly output: LineOutput }>;
  readonly glance: (slot: number) => Pick<SlotGlance, 'stage'> | undefined;
}

/**
 * Ends lines of the log that a worker left without a newline. A worker marks the end of what its request printed, but
 * does not know what a program printed that a script started. Such a line ends once the worker is idle. No timer runs
 * while no line is open.
 */
export class OpenLines {
  readonly #parts: OpenLinesParts;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: OpenLinesParts) {
    this.#parts = parts;
  }

  /** After a worker has printed something. */
  onOutput({ isMidLine }: LineOutput): void {
    if (isMidLine) this.#timer ??= setTimeout(() => this.#check(), CHECK_EVERY_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    this.#timer = undefined;
    for (const { slot, output } of this.#parts.workers()) {
      if (output.isMidLine && output.quietChecks() >= QUIET_CHECKS && this.#isIdle(slot)) output.endLine();
      this.onOutput(output);
    }
  }

  #isIdle(slot: number): boolean {
    const stage = this.#parts.glance(slot)?.stage;
    return stage === 'accepting' || stage === 'waiting';
  }
}
