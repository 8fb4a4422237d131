import type { Milliseconds } from '../units.js';
import type { Generation } from './generation.js';

/** How long to wait for a proven generation's first worker, which is there in milliseconds. */
const PATIENCE_MS: Milliseconds = 10_000;

/** Waits for the first worker of a new generation: the old one is let go only then. */
export class FirstWorker {
  #check: () => void = () => {};

  /** A worker has become ready, or nobody is to wait any more. */
  check(): void {
    this.#check();
  }

  /**
   * @param isWanted false: there is nothing to wait for any more
   * @returns when one of its workers is ready; in ten seconds at the latest
   */
  of(generation: Pick<Generation, 'workers'>, isWanted: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      this.#check = () => {
        if (isWanted() && !generation.workers().some(({ isReady }) => isReady)) return;
        clearTimeout(timer);
        this.#check = () => {};
        resolve();
      };
      this.#check();
    });
  }
}
