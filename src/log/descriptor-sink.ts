import { closeSync, writeSync } from 'node:fs';
import { asSystemError, hasCode } from '../os/libc.js';
import type { Count, Fd, Milliseconds } from '../units.js';
import type { LogEntry, LogSink, LostLines } from './sinks.js';

/** How long a full pipe may delay the master. Then lines are dropped until the pipe takes one again. */
const FULL_PIPE_PATIENCE_MS: Milliseconds = 100;
const FULL_PIPE_PAUSE_MS: Milliseconds = 2;
const NEWLINE = Buffer.from('\n');

/**
 * Writes each line at once, so that the last ones before an exit are never lost, and by one write(2), so that
 * lines of several processes do not mix.
 */
export class DescriptorSink implements LogSink {
  #fd: Fd;
  #lost: Count = 0;
  #reason = '';
  #isWorking = true;
  /** The last line was not written to its end: a newline has to go before the next one. */
  #isMidLine = false;

  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** Changes when a file is opened again. */
  get fd(): Fd {
    return this.#fd;
  }

  write(entry: LogEntry): void {
    const bytes = this.#isMidLine ? Buffer.concat([NEWLINE, entry.line]) : entry.line;
    const { written, failure } = writeAll(this.#fd, bytes, this.#isWorking ? FULL_PIPE_PATIENCE_MS : 0);
    this.#isWorking = failure === undefined;
    if (failure === undefined) {
      this.#isMidLine = false;
      return;
    }
    this.#isMidLine ||= written > 0;
    this.#lost += entry.lines ?? 1;
    this.#reason = failure;
  }

  takeLostLines(): LostLines | undefined {
    if (!this.#isWorking || this.#lost === 0) return undefined;
    const lost = { count: this.#lost, reason: this.#reason };
    this.#lost = 0;
    return lost;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Lines go to `fd` after this; the old descriptor is closed. No line is lost: all of this is synchronous. */
  protected replace(fd: Fd): void {
    const old = this.#fd;
    this.#fd = fd;
    this.#isMidLine = false;
    closeSync(old);
  }
}

/** The master's stderr. It may be a closed pipe, which loses lines and nothing else; it stays open. */
export function createStderrSink(fd: Fd = 2): LogSink {
  const sink = new DescriptorSink(fd);
  return {
    write: (entry) => sink.write(entry),
    takeLostLines: () => sink.takeLostLines(),
    close() {},
  };
}

/** `failure` is the system's text, complete with its number. */
function writeAll(
  fd: Fd,
  bytes: Uint8Array,
  patienceMs: Milliseconds,
): { written: number; failure?: string } {
  const giveUpAt = performance.now() + patienceMs;
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      // A non-blocking pipe whose reader is slow.
      if (hasCode(error, 'EAGAIN') && performance.now() < giveUpAt) {
        pause(FULL_PIPE_PAUSE_MS);
        continue;
      }
      return { written, failure: asSystemError(error).suffix.slice(2) };
    }
  }
  return { written };
}

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

function pause(durationMs: Milliseconds): void {
  Atomics.wait(sleepCell, 0, 0, durationMs);
}
