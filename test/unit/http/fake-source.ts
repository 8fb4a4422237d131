import type { HttpSource, Readiness } from '../../../src/http/source.js';
import type { LogFields, Logger } from '../../../src/log/levels.js';
import { HOSTILE_POOL, METRICS, POOL } from '../status/sample.js';

export const READY: Readiness = { ready: true, reason: 'ready' };

export function fakeSource(readiness: () => Readiness = () => READY): HttpSource {
  return {
    pools: () => [POOL, HOSTILE_POOL],
    live: () => ({ nowMs: 5, pools: [] }),
    metrics: () => METRICS,
    readiness,
  };
}

/** Keeps what was logged. */
export class FakeLog implements Logger {
  readonly lines: string[] = [];
  readonly #keep = (message: string, _fields?: LogFields): void => {
    this.lines.push(message);
  };
  readonly debug = this.#keep;
  readonly notice = this.#keep;
  readonly warning = this.#keep;
  readonly error = this.#keep;
  readonly alert = this.#keep;
}
