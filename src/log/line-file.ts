import { close, closeSync, write } from 'node:fs';
import { asSystemError, hasCode } from '../os/libc.js';
import type { Bytes, Count, Fd, Milliseconds } from '../units.js';
import { openLog } from './open-log.js';
import type { LostLines } from './sinks.js';

/** The most that waits for a slow disk; above it lines are lost. */
const LONGEST_QUEUE: Bytes = 16 * 1024 * 1024;
const PIPE_PAUSE_MS: Milliseconds = 20;
const NEWLINE = Buffer.from('\n');

interface Chunk {
  readonly bytes: Buffer;
  readonly lines: Count;
}

/**
 * A file that gets many lines. Nothing here waits for the disk: lines that it cannot take in time are lost, and
 * counted.
 */
export class LineFile {
  readonly path: string;
  readonly #onRecovered: (lost: LostLines) => void;
  #fd: Fd;
  /** The path, opened anew: lines go there once the write that is under way has ended. */
  #nextFd: Fd | undefined;
  readonly #queue: Chunk[] = [];
  #queuedBytes: Bytes = 0;
  #isWriting = false;
  #isMidLine = false;
  #isClosed = false;
  #lost: Count = 0;
  #reason = '';
  readonly #onIdle: (() => void)[] = [];

  /**
   * @param onRecovered called once the file takes lines again, with what is missing
   * @throws SystemError
   */
  constructor(path: string, onRecovered: (lost: LostLines) => void) {
    this.path = path;
    this.#onRecovered = onRecovered;
    this.#fd = openLog(path);
  }

  /** Whole lines, with their newlines. */
  append(bytes: Buffer, lines: Count): void {
    if (this.#isClosed || this.#queuedBytes + bytes.length > LONGEST_QUEUE) {
      this.#lose(lines, 'the disk is too slow');
      return;
    }
    this.#queue.push({ bytes, lines });
    this.#queuedBytes += bytes.length;
    this.#writeNext();
  }

  /**
   * Opens the path anew, a new file after a rotation. What was appended before goes to either, whole; what comes
   * after goes to the new one.
   *
   * @throws SystemError and goes on with the old file
   */
  reopen(): void {
    const fd = openLog(this.path);
    if (this.#nextFd !== undefined) closeSync(this.#nextFd);
    this.#nextFd = fd;
    if (!this.#isWriting) this.#switch();
  }

  /** All that was appended is written or lost. */
  get isIdle(): boolean {
    return !this.#isWriting;
  }

  /** @returns when all that was appended is written or lost, or after `patienceMs` */
  idle(patienceMs: Milliseconds): Promise<void> {
    if (!this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#onIdle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Writes what is queued, within `patienceMs`, and takes no more lines. @returns lines that are lost and not told */
  async close(patienceMs: Milliseconds): Promise<LostLines | undefined> {
    if (this.#isClosed) return undefined;
    this.#isClosed = true;
    await this.idle(patienceMs);
    // A write that hangs still has its descriptor: if it were closed here, the write could go on into another file
    // that has the number by then.
    if (this.#isWriting) {
      this.#lose(
        this.#queue.reduce((sum, { lines }) => sum + lines, 0),
        'the disk is too slow',
      );
      this.#queue.length = 0;
    } else close(this.#fd, () => {});
    return this.#lost === 0 ? undefined : { count: this.#lost, reason: this.#reason };
  }

  #lose(lines: Count, reason: string): void {
    this.#lost += lines;
    this.#reason = reason;
  }

  /** Writes all that is queued in one call. */
  #writeNext(): void {
    if (this.#isWriting) return;
    if (this.#queue.length === 0) {
      for (const resolve of this.#onIdle.splice(0)) resolve();
      return;
    }
    const chunks = this.#queue.splice(0);
    const lines = chunks.reduce((sum, chunk) => sum + chunk.lines, 0);
    const parts = chunks.map(({ bytes }) => bytes);
    if (this.#isMidLine) parts.unshift(NEWLINE);
    this.#isWriting = true;
    this.#write(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts), lines);
  }

  #write(bytes: Buffer, lines: Count): void {
    write(this.#fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error === null && written < bytes.length) {
        this.#isMidLine = true;
        this.#write(bytes.subarray(written), lines);
      } else if (error !== null && hasCode(error, 'EINTR')) {
        this.#write(bytes, lines);
      } else if (error !== null && hasCode(error, 'EAGAIN') && !this.#isClosed) {
        setTimeout(() => this.#write(bytes, lines), PIPE_PAUSE_MS);
      } else {
        this.#written(bytes, lines, error);
      }
    });
  }

  #written(rest: Buffer, lines: Count, error: NodeJS.ErrnoException | null): void {
    this.#queuedBytes = this.#queue.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#isWriting = false;
    if (this.#nextFd !== undefined) this.#switch();
    if (error === null) {
      this.#isMidLine = false;
      this.#tellLost();
    } else {
      // A part may be in the file: the lines in that part are not lost.
      this.#lose(Math.min(lines, countLines(rest)), asSystemError(error).suffix.slice(2));
    }
    this.#writeNext();
  }

  #switch(): void {
    if (this.#nextFd === undefined) return;
    closeSync(this.#fd);
    this.#fd = this.#nextFd;
    this.#nextFd = undefined;
    this.#isMidLine = false;
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    const lost = { count: this.#lost, reason: this.#reason };
    this.#lost = 0;
    this.#onRecovered(lost);
  }
}

function countLines(bytes: Buffer): Count {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) count++;
  return count;
}
