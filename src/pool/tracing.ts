import type { ProcessHandle } from '../os/process-handle.js';
import { CannotTrace, type Trace, Tracer } from '../slowlog/tracer.js';
import type { Count, Pid } from '../units.js';

export interface TracingParts {
  /** undefined until the zygote is ready. */
  readonly phpVersion: () => string | undefined;
  /** undefined once the zygote has ended. */
  readonly zygotePid: () => Pid | undefined;
  /** `request_slowlog_timeout` is set: backtraces will be wanted. */
  readonly isWanted: boolean;
  /** Called once at most, where they cannot be had. */
  readonly onBlind: (line: string) => void;
}

/** Backtraces of the workers of one generation. */
export class Tracing {
  readonly #parts: TracingParts;
  #tracer: Tracer | undefined;
  #isChecked = false;

  constructor(parts: TracingParts) {
    this.#parts = parts;
  }

  /**
   * Where PHP is in that worker.
   *
   * @param depth most frames
   * @throws CannotTrace
   */
  async trace(worker: Pick<ProcessHandle, 'pid' | 'isThere'> | undefined, depth: Count): Promise<Trace> {
    // While it is not reaped its pid is no other process's. Checked before and after the reading: nobody else's memory
    // may get into a log.
    if (worker === undefined || !worker.isThere) throw new CannotTrace('it has ended');
    this.#tracer ??= this.#newTracer(worker.pid);
    const trace = await this.#tracer.trace(worker.pid, depth);
    if (!worker.isThere) throw new CannotTrace('it has ended');
    return trace;
  }

  /**
   * With the first worker that is ready: slow requests that are logged without a backtrace must not come as a surprise.
   */
  checkOnce(worker: Pid): void {
    if (this.#isChecked || !this.#parts.isWanted) return;
    this.#isChecked = true;
    const failure = this.#failure(worker);
    if (failure !== undefined)
      this.#parts.onBlind(`slow requests will be logged without a backtrace: ${failure.message}`);
  }

  #failure(worker: Pid): CannotTrace | undefined {
    try {
      this.#tracer ??= this.#newTracer(worker);
      return this.#tracer.permissionFailure(worker);
    } catch (error) {
      if (error instanceof CannotTrace) return error;
      throw error;
    }
  }

  /** @throws CannotTrace */
  #newTracer(worker: Pid): Tracer {
    const version = this.#parts.phpVersion();
    if (version === undefined) throw new CannotTrace('its zygote is not ready');
    // PHP is at the same addresses in the zygote and its workers, and reading the zygote's memory needs no further
    // rights.
    return Tracer.of(this.#parts.zygotePid() ?? worker, version);
  }
}
