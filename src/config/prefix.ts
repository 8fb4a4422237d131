/** Where relative paths start, as Debian's php-fpm has it compiled in. */
export const PREFIX = '/usr';
const LOCALSTATEDIR = '/var';
const SYSCONFDIR = '/etc';

/** Name of the configuration file, in `/etc`, or in `DIR/etc` with `--prefix DIR`. */
const DEFAULT_FILE = 'tsfpm.conf';

/** The directories that relative paths start at, by what they are for. */
export interface Bases {
  /** pid and error_log. */
  readonly state: string;
  /** include, the prefix of a pool, and all other paths of a pool without one. */
  readonly programs: string;
}

/** @param prefix of the command line; it stands in for both directories */
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
 * Only chroot knows `$prefix`, and only at its start: `$prefix/x` is `PREFIX//x`.
 *
 * @returns `undefined` where `$prefix` stands further back in a relative path
 */
export function expandPrefix(value: string, base: string): string | undefined {
  if (value.startsWith('/') || !value.includes(PREFIX_VARIABLE)) {
    return absolutePath(value, base);
  }
  if (value.lastIndexOf(PREFIX_VARIABLE) !== 0) {
    return undefined;
  }
  const rest = value.slice(PREFIX_VARIABLE.length);
  return rest === '' ? base : `${base}/${rest}`;
}

/** Whether `listen` names a unix socket: no colon, and not digits alone. */
export function isUnixAddress(address: string): boolean {
  return !address.includes(':') && !/^[0-9]+$/.test(address);
}
