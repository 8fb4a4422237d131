import type { Fd, Pid } from './units.js';

/** Exit codes of the command, php-fpm's (`sysexits.h`). */
export const EXIT_OK = 0;
/** The command line was wrong. */
export const EXIT_USAGE = 64;
/** A failure after the start, or a daemonized start that failed. */
export const EXIT_SOFTWARE = 70;
/** What a command prints, or its file, cannot be written. */
export const EXIT_CANNOT_WRITE = 73;
/** The configuration or the start in the foreground failed. */
export const EXIT_CONFIG = 78;

/** The command line is wrong: ends with the short help and {@link EXIT_USAGE}. */
export class UsageError extends Error {
  readonly code = 'USAGE';
  readonly option: string | undefined;

  constructor(message: string, option?: string) {
    super(message);
    this.name = 'UsageError';
    this.option = option;
  }
}

/** Where in the configuration a problem is, as far as known. */
export interface ConfigPlace {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly section?: string | undefined;
  readonly directive?: string | undefined;
  readonly value?: string | undefined;
}

/**
 * A directive or the file as a whole is wrong. `message` is complete, in php-fpm's words, with its
 * `[file:line]` or `[pool name]` prefix.
 */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  readonly place: ConfigPlace;

  constructor(message: string, place: ConfigPlace = {}) {
    super(message);
    this.name = 'ConfigError';
    this.place = place;
  }
}

/** What a failed system call was about. */
export interface SystemErrorDetail {
  /** The name of the errno, as in Node's errors: `EADDRINUSE`. */
  readonly code: string;
  /** Positive, as in C. */
  readonly errno: number;
  /** Name of the call: `bind`. */
  readonly syscall: string;
  readonly path?: string | undefined;
  readonly address?: string | undefined;
  readonly pid?: Pid | undefined;
  readonly fd?: Fd | undefined;
  /** The kernel's text: `Address already in use`. */
  readonly reason: string;
}

/** A system call failed. Has the fields of Node's own system errors, so that one check serves both. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;
  readonly address: string | undefined;
  readonly pid: Pid | undefined;
  readonly fd: Fd | undefined;
  readonly reason: string;

  constructor(detail: SystemErrorDetail) {
    const about =
      detail.path ?? detail.address ?? (detail.pid === undefined ? undefined : `pid ${detail.pid}`);
    super(`${detail.syscall}${about === undefined ? '' : ` '${about}'`}: ${detail.reason} (${detail.errno})`);
    this.name = 'SystemError';
    this.code = detail.code;
    this.errno = detail.errno;
    this.syscall = detail.syscall;
    this.path = detail.path;
    this.address = detail.address;
    this.pid = detail.pid;
    this.fd = detail.fd;
    this.reason = detail.reason;
  }

  /** php-fpm's way to append a system error to a message: `: Permission denied (13)`. */
  get suffix(): string {
    return `: ${this.reason} (${this.errno})`;
  }
}

/** The peer broke the protocol; ends that one connection or channel. */
export class ProtocolError extends Error {
  readonly code = 'PROTOCOL';

  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/**
 * A start that cannot go on, already explained to the administrator in the log.
 * Carries the exit code only.
 */
export class StartFailure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_CONFIG) {
    super(message);
    this.name = 'StartFailure';
    this.exitCode = exitCode;
  }
}

/** The message of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** For the `default:` of a union's switch: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
