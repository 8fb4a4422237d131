import type { Bytes } from '../units.js';

/** A line without an end is passed on in pieces of this size, so that a worker cannot make the master hold more. */
const LONGEST_LINE: Bytes = 16 * 1024;
const NEWLINE = 0x0a;

/** Cuts what a process prints into lines, without their newline; empty ones are dropped. */
export class OutputLines {
  readonly #onLine: (line: Buffer) => void;
  #pending: Buffer = Buffer.alloc(0);

  constructor(onLine: (line: Buffer) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
      this.#tell(bytes.subarray(0, end));
      bytes = bytes.subarray(end + 1);
    }
    while (bytes.length >= LONGEST_LINE) {
      this.#tell(bytes.subarray(0, LONGEST_LINE));
      bytes = bytes.subarray(LONGEST_LINE);
    }
    this.#pending = Buffer.from(bytes);
  }

  /** Passes on the last line, which has no newline. */
  end(): void {
    this.#tell(this.#pending);
    this.#pending = Buffer.alloc(0);
  }

  #tell(line: Buffer): void {
    for (let at = 0; at < line.length; at += LONGEST_LINE) this.#onLine(line.subarray(at, at + LONGEST_LINE));
  }
}
