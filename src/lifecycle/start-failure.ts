import { EXIT_CONFIG, EXIT_SOFTWARE, errorText, StartFailure } from '../errors.js';
import type { Logger } from '../log/levels.js';
import { mistakeText } from './mistakes.js';

/**
 * php-fpm's last line of a start that has failed for a reason told before.
 *
 * @returns the exit code, as given
 */
export function failStart(log: Logger, code = EXIT_CONFIG): number {
  log.error('FPM initialization failed');
  return code;
}

/**
 * Tells what a stage of the start threw: one line for the administrator. A stack trace is only for a mistake of this
 * program.
 *
 * @returns the exit code
 */
export function tellFailure(error: unknown, log: Logger): number {
  if (error instanceof StartFailure) return error.exitCode; // told where it happened
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    log.alert(mistakeText(error));
    return EXIT_SOFTWARE;
  }
  log.error(errorText(error));
  return EXIT_CONFIG;
}
