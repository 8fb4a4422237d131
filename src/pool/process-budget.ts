import type { Count } from '../units.js';

/** `process.max`: a bound on the workers of all pools together. */
export class ProcessBudget {
  readonly #max: Count;
  readonly #countWorkers: () => Count;

  /** @param max 0 is no limit */
  constructor(max: Count, countWorkers: () => Count) {
    this.#max = max;
    this.#countWorkers = countWorkers;
  }

  get hasRoom(): boolean {
    return this.#max <= 0 || this.#countWorkers() < this.#max;
  }
}
