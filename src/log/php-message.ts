import type { LogLevel } from './levels.js';

/** Something that PHP has logged, as a script's error_log() and PHP's own errors come to a worker's stderr. */
export interface PhpMessage {
  readonly level: LogLevel;
  /** Without the words that php-fpm puts before it. */
  readonly text: string;
}

/** php-fpm's front, which the runtime writes too; with log_level = debug there is a place in it. */
const FRONT = /^(?:NOTICE: (?:\w+\(\), line \d+: )?)?PHP message: /;
/** What PHP itself calls its errors (main/main.c, php_error_cb). The words of a script are a notice. */
const OWN_ERROR = /^PHP (?:(?<error>(?:Recoverable fatal|Fatal|Parse) error)|(?<warning>Warning)):/;

/** @returns undefined for what a worker has printed in another way */
export function phpMessage(line: string): PhpMessage | undefined {
  const front = FRONT.exec(line)?.[0];
  if (front === undefined) return undefined;
  const text = line.slice(front.length);
  const { error, warning } = OWN_ERROR.exec(text)?.groups ?? {};
  const level = error !== undefined ? 'error' : warning !== undefined ? 'warning' : 'notice';
  return { level, text };
}
