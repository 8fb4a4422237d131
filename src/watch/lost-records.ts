import type { Count, Milliseconds, Pid } from '../units.js';

/** After a loss was told, more of them are put together for so long. */
const QUIET_MS: Milliseconds = 10_000;

/** Records of requests that found no room, by the workers' own account: told at once, then every few seconds in sum. */
export class LostRecords {
  readonly #tell: (count: Count, pids: readonly Pid[]) => void;
  readonly #pids = new Set<Pid>();
  #count: Count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (count: Count, pids: readonly Pid[]) => void) {
    this.#tell = tell;
  }

  add(count: Count, pid: Pid): void {
    this.#count += count;
    this.#pids.add(pid);
    if (this.#timer === undefined) this.#tellNow();
  }

  /** Nothing more is added. */
  end(): void {
    clearTimeout(this.#timer);
    if (this.#count > 0) this.#tellNow();
    clearTimeout(this.#timer);
  }

  #tellNow(): void {
    const [count, pids] = [this.#count, [...this.#pids]];
    this.#count = 0;
    this.#pids.clear();
    this.#tell(count, pids);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#count > 0) this.#tellNow();
    }, QUIET_MS);
    this.#timer.unref();
  }
}
