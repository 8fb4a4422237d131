import type { Count, Milliseconds, Pid } from '../units.js';

/** After a loss was reported, further ones are summed up for so long. */
const QUIET_MS: Milliseconds = 10_000;

/**
 * Records of requests that found no room in a ring, as the workers count them. The first loss is reported at once,
 * further ones in sum every few seconds.
 */
export class LostRecords {
  readonly #report: (count: Count, pids: readonly Pid[]) => void;
  readonly #pids = new Set<Pid>();
  #count: Count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(report: (count: Count, pids: readonly Pid[]) => void) {
    this.#report = report;
  }

  add(count: Count, pid: Pid): void {
    this.#count += count;
    this.#pids.add(pid);
    if (this.#timer === undefined) this.#reportNow();
  }

  /** Nothing more is added. */
  end(): void {
    clearTimeout(this.#timer);
    if (this.#count > 0) this.#reportNow();
    clearTimeout(this.#timer);
  }

  #reportNow(): void {
    const [count, pids] = [this.#count, [...this.#pids]];
    this.#count = 0;
    this.#pids.clear();
    this.#report(count, pids);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#count > 0) this.#reportNow();
    }, QUIET_MS);
    this.#timer.unref();
  }
}
