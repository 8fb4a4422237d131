import { asSystemError } from '../os/libc.js';
import type { Fd } from '../units.js';
import { DescriptorSink } from './descriptor-sink.js';
import { openLog } from './open-log.js';

/** The error log cannot be opened. `message` is the line for the log, in php-fpm's words. */
export class LogOpenError extends Error {
  readonly code = 'LOG_OPEN';
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`failed to open error_log (${path})${asSystemError(cause).suffix}`, { cause });
    this.name = 'LogOpenError';
    this.path = path;
  }
}

/** A log file that can be opened again after a rotation. */
export class FileSink extends DescriptorSink {
  readonly path: string;

  /** @throws LogOpenError */
  constructor(path: string) {
    super(openForAppend(path));
    this.path = path;
  }

  /**
   * Opens the path anew, a new file after a rotation; no line is lost between.
   *
   * @throws LogOpenError and goes on with the old file
   */
  reopen(): void {
    this.replace(openForAppend(this.path));
  }
}

/**
 * @param path of a file that is made, for its owner alone, if it is not there
 * @throws LogOpenError
 */
export function openErrorLog(path: string): FileSink {
  return new FileSink(path);
}

function openForAppend(path: string): Fd {
  try {
    return openLog(path);
  } catch (error) {
    throw new LogOpenError(path, error);
  }
}
