import { escapedLine } from '../text/harmless.js';

/** Longest line passed on, in characters; a longer one is passed on in parts. */
const MAX_LINE = 8192;

/** Cuts a byte stream into lines for a log: no control characters, no empty lines, memory bounded by one line. */
export class StderrLines {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line);
    const kept = rest.length % MAX_LINE;
    this.#emit(rest.slice(0, rest.length - kept));
    this.#rest = rest.slice(rest.length - kept);
  }

  /** What came after the last line end. */
  end(): void {
    this.#emit(this.#rest + this.#decoder.decode());
    this.#rest = '';
  }

  #emit(line: string): void {
    const visible = escapedLine(line.trimEnd());
    for (let start = 0; start < visible.length; start += MAX_LINE)
      this.#onLine(visible.slice(start, start + MAX_LINE));
  }
}
