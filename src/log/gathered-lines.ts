import type { Bytes, Count } from '../units.js';

/** The most that is written at once. */
const ROOM: Bytes = 256 * 1024;

/** Several lines for one write. */
export interface Gathered {
  readonly bytes: Buffer;
  /** Newlines among them. */
  readonly lines: Count;
  readonly syslogText: string;
}

/** Lines that workers printed, put together: one write for each of them would cost a system call each. */
export class GatheredLines {
  readonly #onFull: (gathered: Gathered) => void;
  /** Allocated at the first line, and used again after each write: callers get a copy. */
  #bytes: Buffer = Buffer.alloc(0);
  #length: Bytes = 0;
  #lines: Count = 0;
  #syslogText = '';

  /** @param onFull gets what there is when there is no room for more */
  constructor(onFull: (gathered: Gathered) => void) {
    this.#onFull = onFull;
  }

  /**
   * @param pieces of one line, or of a part of it
   * @param syslogText of the same, with its newline
   */
  add(pieces: readonly Uint8Array[], lines: Count, syslogText: string): void {
    let size = 0;
    for (const piece of pieces) size += piece.length;
    if (this.#length + size > this.#bytes.length) this.#makeRoom(size);
    for (const piece of pieces) {
      this.#bytes.set(piece, this.#length);
      this.#length += piece.length;
    }
    this.#lines += lines;
    if (syslogText !== '') this.#syslogText += syslogText;
  }

  /** @returns undefined where there is nothing */
  take(): Gathered | undefined {
    if (this.#length === 0) return undefined;
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#length));
    const gathered = { bytes, lines: this.#lines, syslogText: this.#syslogText };
    this.#length = this.#lines = 0;
    this.#syslogText = '';
    return gathered;
  }

  #makeRoom(size: Bytes): void {
    const gathered = this.take();
    if (gathered !== undefined) this.#onFull(gathered);
    if (size > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(Math.max(size, ROOM));
  }
}
