import type { Milliseconds } from '../units.js';
import { proveWorker } from '../zygote/proof.js';
import type { StandInSocket } from '../zygote/stand-in.js';
import type { RunningWorker, WorkerTable } from './worker-table.js';

export interface ProbeParts {
  readonly workers: WorkerTable;
  /** Asks the zygote for a worker that accepts on the stand-in socket. */
  readonly fork: (slot: number) => void;
  readonly kill: (worker: RunningWorker) => void;
  /** Sends that worker a request; returns undefined, or why there was no answer. */
  readonly ask?: typeof proveWorker;
}

/** With `pm.max_requests = 1` it ends once it has answered: news of its end may be read before the answer is. */
const ANSWER_PATIENCE_MS: Milliseconds = 50;
/** A process that is killed is gone within milliseconds; how long to wait for that. */
const END_PATIENCE_MS: Milliseconds = 2000;

/** A worker that only the master can reach, forked before any other to prove that workers of its generation answer. */
export class Probe {
  readonly #parts: ProbeParts;
  #settle: ((failure: string) => void) | undefined;
  #check: () => void = () => {};

  constructor(parts: ProbeParts) {
    this.#parts = parts;
  }

  /** It will not answer: it could not be forked, or it or its zygote has ended. Without effect where none is asked. */
  fail(failure: string): void {
    this.#settle?.(failure);
    this.#check();
  }

  /** Its fork was reported. */
  onForked(): void {
    this.#check();
  }

  /**
   * @param slot a free one
   * @returns undefined when it has answered, else why it does not; in either case it has ended by then
   */
  async run(slot: number, standIn: Pick<StandInSocket, 'path' | 'remove'>): Promise<string | undefined> {
    const { workers, fork, ask = proveWorker } = this.#parts;
    const failed = new Promise<string>((resolve) => {
      this.#settle = (failure) => setTimeout(resolve, ANSWER_PATIENCE_MS, failure);
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
  #end(): Promise<void> {
    const { workers, kill } = this.#parts;
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#check = () => {};
        resolve();
      };
      const timer = setTimeout(end, END_PATIENCE_MS);
      this.#check = () => {
        const { probe } = workers;
        if (probe === undefined) end();
        else if (probe !== 'forking' && !probe.isKilled) kill(probe);
      };
      this.#check();
    });
  }
}
