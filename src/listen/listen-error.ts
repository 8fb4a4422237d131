import type { SystemError } from '../errors.js';

/** A pool's socket cannot be had. `message` is complete, in php-fpm's words, with the system's reason where one is. */
export class ListenError extends Error {
  readonly code = 'LISTEN';
  readonly pool: string;

  /** @param cause its `suffix` is appended to the message */
  constructor(pool: string, message: string, cause?: SystemError) {
    super(cause === undefined ? message : `${message}${cause.suffix}`, cause === undefined ? {} : { cause });
    this.name = 'ListenError';
    this.pool = pool;
  }
}
