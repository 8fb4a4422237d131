import { inOrderOfApplication } from '../config/array-entries.js';
import type { PoolConfig } from '../config/config.js';
import { DESCRIPTORS } from './control-frames.js';

/** What of the command line is meant for PHP, in every pool. */
export interface PhpOptions {
  /** `-c`: file or directory. */
  readonly ini: string | undefined;
  /** `-n` */
  readonly noIni: boolean;
  /** `-d`, in order, `name` or `name=value`. */
  readonly defines: readonly string[];
  /** `-e` */
  readonly profileInfo: boolean;
}

/** The runtime library, for LD_PRELOAD and `extension=`: a descriptor, since either reads a path with blanks wrongly. */
export const LIBRARY_PATH = `/proc/self/fd/${DESCRIPTORS.LIBRARY}`;

/** php-cgi's arguments for a pool's zygote: what comes later overrides what came before. */
export function phpArguments(pool: PoolConfig, options: PhpOptions): string[] {
  const ini = pool.phpIni ?? options.ini;
  return [
    ...(options.noIni && pool.phpIni === undefined ? ['-n'] : []),
    ...(options.profileInfo ? ['-e'] : []),
    ...(ini === undefined ? [] : ['-c', ini]),
    ...options.defines.flatMap((define) => ['-d', define]),
    ...[...inOrderOfApplication(pool.phpValue), ...inOrderOfApplication(pool.phpAdminValue)].flatMap(
      ({ key, value }) => ['-d', `${key}=${quoteIni(value)}`],
    ),
    '-d',
    `extension=${LIBRARY_PATH}`,
  ];
}

/**
 * A value that PHP's INI parser reads back byte by byte: in single quotes nothing has a meaning, and adjacent quoted
 * pieces are joined.
 */
export function quoteIni(value: string): string {
  return `'${value.replaceAll("'", `'"'"'`)}'`;
}
