import { unlinkSync, writeFileSync } from 'node:fs';
import { asSystemError, hasCode } from '../os/libc.js';

/** The master's pid file, if it has one. */
export class PidFile {
  readonly #fallback: string | undefined;
  #path: string | undefined;

  /** @param fallback `--pid`, for a configuration that names none */
  constructor(fallback: string | undefined) {
    this.#fallback = fallback;
  }

  /** Where the file is; undefined while there is none. */
  get path(): string | undefined {
    return this.#path;
  }

  /**
   * Writes the new file before the old one goes.
   *
   * @param configured `pid`
   * @throws Error with php-fpm's words
   */
  use(configured: string | undefined): void {
    const path = configured ?? this.#fallback;
    if (path === this.#path) return;
    if (path !== undefined) writePidFile(path);
    const old = this.#path;
    this.#path = path;
    if (old !== undefined) removePidFile(old);
  }

  /** @throws Error with php-fpm's words */
  remove(): void {
    if (this.#path !== undefined) removePidFile(this.#path);
  }

  /** Leaves the file to the next program of this process. */
  leave(): void {
    this.#path = undefined;
  }
}

/**
 * Replaces what is there, as php-fpm does: a file that an earlier master left behind never keeps one from starting.
 *
 * @throws Error with php-fpm's words
 */
export function writePidFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw failure(`Unable to create the PID file (${path}).`, error);
  }
  try {
    writeFileSync(path, String(process.pid), { mode: 0o644, flag: 'wx' });
  } catch (error) {
    throw failure(`Unable to create the PID file (${path}).`, error);
  }
}

/** @throws Error with php-fpm's words, unless somebody else has removed it */
export function removePidFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw failure(`Unable to remove the PID file (${path}).`, error);
  }
}

function failure(message: string, cause: unknown): Error {
  return new Error(message + asSystemError(cause).suffix, { cause });
}
