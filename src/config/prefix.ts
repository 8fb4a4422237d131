/** The directory at which relative paths start; Debian's php-fpm has the same one compiled in. */
export const PREFIX = '/usr';
const LOCALSTATEDIR = '/var';
const SYSCONFDIR = '/etc';

/** Name of the configuration file, in `/etc`, or in `DIR/etc` with `--prefix DIR`. */
const DEFAULT_FILE = 'tsfpm.conf';

/** The directories at which relative paths start. */
export interface Bases {
  /** For pid and error_log. */
  readonly state: string;
  /** For include, the prefix of a pool, and the other paths of a pool without a prefix. */
  readonly programs: string;
}

/** @param prefix of the command line; it replaces both directories */
export function basesFor(prefix: string | undefined): Bases {
  return prefix === undefined || prefix === ''
    ? { state: LOCALSTATEDIR, programs: PREFIX }
    : { state: prefix, programs: prefix };
}

/** The file that is read when the command line names none. */
export function defaultConfigFile(prefix: string | undefined): string {
  return prefix === undefined || prefix === ''
    ? `${SYSCONFDIR}/${DEFAULT_FILE}`
    : `${prefix}/etc/${DEFAULT_FILE}`;
}

/** Joins without tidying, as php-fpm does: the path appears so in messages and in `-tt`. */
export function absolutePath(value: string, base: string): string {
  return value.startsWith('/') ? value : `${base}/${value}`;
}

const PREFIX_VARIABLE = '$prefix';

/**
 * Replaces `$prefix`, for chroot, and only at the start of the value: `$prefix/x` is `PREFIX//x`.
 *
 * @returns `undefined` if a relative path has `$prefix` further on
 */
export function expandPrefix(value: string, base: string): string | undefined {
  if (value.startsWith('/') || !value.includes(PREFIX_VARIABLE)) return absolutePath(value, base);
  if (value.lastIndexOf(PREFIX_VARIABLE) !== 0) return undefined;
  const rest = value.slice(PREFIX_VARIABLE.length);
  return rest === '' ? base : `${base}/${rest}`;
}

/** Whether `listen` names a unix socket: no colon, and not digits alone. */
export function isUnixAddress(address: string): boolean {
  return !address.includes(':') && !/^[0-9]+$/.test(address);
}
