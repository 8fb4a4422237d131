/** The directory at which relative paths start; Debian's php-fpm has the same one compiled in. */
export const PREFIX = '/usr';
const LOCALSTATEDIR = '/var';
const SYSCONFDIR = '/etc';

/** Where the configuration is, in `/etc`, or in `DIR/etc` with `--prefix DIR`: the first that is there. */
const DEFAULT_FILES = ['tsfpm.conf', 'tsfpm/tsfpm.conf'] as const;

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

/**
 * The file that is read when the command line names none. The second place is the Debian package's.
 *
 * @param isThere whether there is such a file
 */
export function defaultConfigFile(prefix: string | undefined, isThere: (file: string) => boolean): string {
  const folder = prefix === undefined || prefix === '' ? SYSCONFDIR : `${prefix}/etc`;
  const files = DEFAULT_FILES.map((name) => `${folder}/${name}`);
  return files.find(isThere) ?? `${folder}/${DEFAULT_FILES[0]}`;
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
