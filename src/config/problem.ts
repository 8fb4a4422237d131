import { ConfigError, type ConfigPlace } from '../errors.js';
import type { LogLevel } from '../log/levels.js';

/** One line about the configuration, as it is to be logged. */
export interface Problem {
  readonly level: LogLevel;
  /** Complete, with its `[file:line]` or `[pool name]` prefix. */
  readonly message: string;
  /** Present if the configuration cannot be used because of the problem; has the same message. */
  readonly error?: ConfigError;
}

export function fatal(message: string, place: ConfigPlace = {}, level: LogLevel = 'error'): Problem {
  return { level, message, error: new ConfigError(message, place) };
}

export function isFatal(problem: Problem): boolean {
  return problem.error !== undefined;
}
