import type { Count } from '../units.js';

/** `process.max`: a bound on the workers of all pools together. */
export class ProcessBudget {
  /** 0 is no limit. */
  max: Count;
  readonly #countWorkers: () => Count;

  constructor(max: Count, countWorkers: () => Count) {
    this.max = max;
    this.#countWorkers = countWorkers;
  }

  /** How many more workers may be forked. */
  get room(): number {
    return this.max <= 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.max - this.#countWorkers());
  }
}
