import type { Milliseconds } from '../units.js';
import type { Generation } from './generation.js';

/** A proven generation's first worker is there in milliseconds; it is waited for no longer than this. */
const PATIENCE_MS: Milliseconds = 10_000;

/** Waits for the first worker of a new generation: the old one is let go only then. */
export class FirstWorker {
  #look: () => void = () => {};

  /** A worker has become ready, or nobody is to wait any more. */
  look(): void {
    this.#look();
  }

  /**
   * @param isWanted false: there is nothing to wait for any more
   * @returns when one of its workers is ready; in ten seconds at the latest
   */
  of(generation: Pick<Generation, 'workers'>, isWanted: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      this.#look = () => {
        if (isWanted() && !generation.workers().some(({ isReady }) => isReady)) return;
        clearTimeout(timer);
        this.#look = () => {};
        resolve();
      };
      this.#look();
    });
  }
}
