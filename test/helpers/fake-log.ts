import type { LogFields, Logger } from '../../src/log/levels.js';

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
