import type { Count } from '../units.js';

/** `process.max`: a bound on the workers of all pools together. */
export class ProcessBudget {
  /** 0 is no limit. */
  max: Count;
  readonly #countWorkers: () => Count;
  readonly #onSpent: () => void;
  #isTold = false;

  /** @param onSpent told that a worker is missing and none is allowed; again after the next fork, like php-fpm */
  constructor(max: Count, countWorkers: () => Count, onSpent: () => void = () => {}) {
    this.max = max;
    this.#countWorkers = countWorkers;
    this.#onSpent = onSpent;
  }

  /** How many more workers may be forked. */
  get room(): number {
    return this.max <= 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.max - this.#countWorkers());
  }

  /** A worker is missing, and none is allowed. */
  tellSpent(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#onSpent();
  }

  /** A worker is being forked: the next shortage is a new one. */
  onFork(): void {
    this.#isTold = false;
  }
}
