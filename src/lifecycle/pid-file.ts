import { unlinkSync, writeFileSync } from 'node:fs';
import { asSystemError, hasCode } from '../os/libc.js';

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
