import type { SystemError } from '../errors.js';
import type { Milliseconds } from '../units.js';
import { AccessLogFile } from './access-log-file.js';
import type { Logger } from './levels.js';
import type { LostLines } from './sinks.js';

/** How long the master may wait for a disk before it exits. */
const LAST_WRITE_PATIENCE_MS: Milliseconds = 3000;

/** An access log cannot be opened. `message` is the line for the log, in php-fpm's words. */
export class AccessLogOpenError extends Error {
  constructor(path: string, cause: SystemError) {
    super(`failed to open access log (${path})${cause.suffix}`, { cause });
    this.name = 'AccessLogOpenError';
  }
}

interface OpenFile {
  readonly file: AccessLogFile;
  users: number;
}

/** The access logs of all pools, each file open once, however many pools or generations write to it. */
export class AccessLogs {
  readonly #log: Logger;
  readonly #filesByPath = new Map<string, OpenFile>();
  #kept: AccessLogFile[] = [];
  /** Files that nobody uses any more, while their last lines are written. */
  readonly #closing = new Set<Promise<void>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * The file at a path, for a user who gives it back by {@link release}.
   *
   * @param path of a file that is made, for the master alone, if it is not there
   * @throws AccessLogOpenError
   */
  acquire(path: string): AccessLogFile {
    const there = this.#filesByPath.get(path);
    if (there !== undefined) {
      there.users++;
      return there.file;
    }
    const file = attempt(path, () => new AccessLogFile(path, (lost) => this.#tellLost(path, lost)));
    this.#filesByPath.set(path, { file, users: 1 });
    this.#log.debug(`open access log (${path})`);
    return file;
  }

  /**
   * Keeps the configuration's access logs open, and opens them anew after a rotation, also while nobody writes to them.
   *
   * @returns lines for the log, one for each file that could not be opened
   */
  keep(paths: readonly string[]): string[] {
    const failures: string[] = [];
    const before = this.#kept;
    this.#kept = [...new Set(paths)].flatMap((path) => {
      try {
        return [this.acquire(path)];
      } catch (error) {
        if (!(error instanceof AccessLogOpenError)) throw error;
        failures.push(error.message);
        return [];
      }
    });
    for (const file of before) this.release(file);
    return failures;
  }

  release(file: AccessLogFile): void {
    const there = this.#filesByPath.get(file.path);
    if (there === undefined || there.file !== file || --there.users > 0) return;
    this.#filesByPath.delete(file.path);
    const closing = this.#close(file).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  get isEmpty(): boolean {
    return this.#filesByPath.size === 0;
  }

  /**
   * Opens every path anew, after a rotation.
   *
   * @returns lines for the log, one for each path that could not be opened: its lines go on to the old file
   */
  reopen(): string[] {
    const failures: string[] = [];
    for (const [path, { file }] of this.#filesByPath) {
      try {
        attempt(path, () => file.reopen());
        this.#log.debug(`open access log (${path})`);
      } catch (error) {
        if (!(error instanceof AccessLogOpenError)) throw error;
        failures.push(error.message);
      }
    }
    return failures;
  }

  /**
   * Waits until every line is written, or the longest wait for a disk is over. When it settles, no
   * line is in memory only, until the next turn of the event loop.
   */
  async idle(): Promise<void> {
    const files = () => [...this.#filesByPath.values()].map(({ file }) => file);
    const deadlineMs = performance.now() + LAST_WRITE_PATIENCE_MS;
    // Workers go on: while one file is waited for, another gets new lines.
    while (files().some((file) => !file.isIdle) && performance.now() < deadlineMs)
      await Promise.all(files().map((file) => file.idle(LAST_WRITE_PATIENCE_MS)));
  }

  async close(): Promise<void> {
    const files = [...this.#filesByPath.values()];
    this.#filesByPath.clear();
    await Promise.all([...this.#closing, ...files.map(({ file }) => this.#close(file))]);
  }

  async #close(file: AccessLogFile): Promise<void> {
    const lost = await file.close(LAST_WRITE_PATIENCE_MS);
    if (lost !== undefined) this.#tellLost(file.path, lost);
  }

  #tellLost(path: string, { count, reason }: LostLines): void {
    this.#log.warning(`${count} lines of the access log ${path} were lost: ${reason}`);
  }
}

/** @returns the line for the log where the file cannot be opened or made */
export function accessLogProblem(path: string): string | undefined {
  try {
    void attempt(path, () => new AccessLogFile(path, () => {})).close(0);
    return undefined;
  } catch (error) {
    if (!(error instanceof AccessLogOpenError)) throw error;
    return error.message;
  }
}

function attempt<Result>(path: string, open: () => Result): Result {
  try {
    return open();
  } catch (error) {
    throw new AccessLogOpenError(path, error as SystemError);
  }
}
