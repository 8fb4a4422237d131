import { setTimeout as sleep } from 'node:timers/promises';
import type { Milliseconds } from '../units.js';
import { proveWorker } from '../zygote/proof.js';
import type { StandInSocket } from '../zygote/stand-in.js';
import type { RunningWorker, WorkerTable } from './worker-table.js';

export interface ProbeParts {
  readonly workers: WorkerTable;
  /** Asks the zygote for a worker that accepts on the stand-in socket. */
  readonly fork: (slot: number) => void;
  readonly kill: (worker: RunningWorker) => void;
  /** Monotonic. */
  readonly nowMs: () => Milliseconds;
  /** Sends that worker a request; returns undefined, or why there was no answer. */
  readonly ask?: typeof proveWorker;
}

/** A process that is killed is gone within milliseconds; how long to wait for that, and how often to check. */
const END_PATIENCE_MS: Milliseconds = 2000;
const CHECK_EVERY_MS: Milliseconds = 2;

/** A worker that only the master can reach, forked before any other to prove that workers of its generation answer. */
export class Probe {
  readonly #parts: ProbeParts;
  #settle: ((failure: string) => void) | undefined;

  constructor(parts: ProbeParts) {
    this.#parts = parts;
  }

  /** It will not answer: it could not be forked, or it or its zygote has ended. Without effect where none is asked. */
  fail(failure: string): void {
    this.#settle?.(failure);
  }

  /**
   * @param slot a free one
   * @returns undefined when it has answered, else why it does not; in either case it has ended by then
   */
  async run(slot: number, standIn: Pick<StandInSocket, 'path' | 'remove'>): Promise<string | undefined> {
    const { workers, fork, ask = proveWorker } = this.#parts;
    const failed = new Promise<string>((resolve) => {
      this.#settle = resolve;
    });
    workers.beginFork(slot, { isProbe: true });
    fork(slot);
    const failure = await Promise.race([ask(standIn.path), failed]);
    standIn.remove();
    await this.#end();
    this.#settle = undefined;
    return failure;
  }

  /**
   * Until it has ended its slot is taken: a pool with one slot could not fork its first worker. Its answer may come
   * before the zygote's report of its fork, so there may be nothing to kill yet. Where the zygote is gone the kernel
   * has told it to end.
   */
  async #end(): Promise<void> {
    const { workers, kill, nowMs } = this.#parts;
    const deadlineMs = nowMs() + END_PATIENCE_MS;
    for (let { probe } = workers; probe !== undefined && nowMs() <= deadlineMs; { probe } = workers) {
      if (probe !== 'forking' && !probe.isKilled) kill(probe);
      await sleep(CHECK_EVERY_MS);
    }
  }
}
