/** php-fpm's levels, in rising order. */
export const LOG_LEVELS = ['debug', 'notice', 'warning', 'error', 'alert'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Facts that a JSON line carries beside its message; php-fpm's format shows the message alone. */
export interface LogFields {
  readonly pool?: string;
  readonly pid?: number;
  readonly [name: string]: string | number | boolean | undefined;
}

/** What all parts of the program log to, without knowing where the lines go. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  notice(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  alert(message: string, fields?: LogFields): void;
}
