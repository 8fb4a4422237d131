import { inOrderOfApplication, type KeyValue, type PoolConfig } from '../config/config.js';
import { DESCRIPTORS } from './control-frames.js';
import { isLateSetting } from './late-settings.js';

/** The options of the command line that are for PHP, in every pool. */
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

/**
 * The runtime library, for LD_PRELOAD and `extension=`: a descriptor, since either reads a path with blanks wrongly.
 */
export const LIBRARY_PATH = `/proc/self/fd/${DESCRIPTORS.LIBRARY}`;

/** Settings of `-d` that are for tsfpm and not for PHP: which php-cgi, and which configuration file. */
const OWN_DEFINES = ['php_cgi=', 'fpm.config='];

/** `-d php_cgi=FILE`: the php-cgi of pools that name none, and of `-v`, `-m` and `-i`. */
export function definedPhpCgi({ defines }: PhpOptions): string | undefined {
  const define = defines.findLast((text) => text.startsWith('php_cgi='));
  return define?.slice('php_cgi='.length) || undefined;
}

/** The command line's options for PHP in php-cgi's form, which wants `-d` glued to its argument. */
export function phpOptionArguments({ noIni, ini, defines, profileInfo }: PhpOptions): string[] {
  return [
    ...(noIni ? ['-n'] : []),
    ...(ini === undefined ? [] : ['-c', ini]),
    ...defines
      .filter((define) => !OWN_DEFINES.some((name) => define.startsWith(name)))
      .map((define) => `-d${define}`),
    ...(profileInfo ? ['-e'] : []),
  ];
}

/**
 * What keeps pools of one `opcache.share` from running scripts of each other that they cannot read: in another root,
 * or of another user. php.ini cannot turn it off; the command line and the pool can.
 */
const SHARED_OPCACHE_ARGUMENTS = ['-dopcache.validate_root=1', '-dopcache.validate_permission=1'];

/** php-cgi's arguments for a pool's zygote: what comes later overrides what came before. */
export function phpArguments(pool: PoolConfig, options: PhpOptions): string[] {
  return argumentsWith(pool, options, phpValues(pool));
}

/** What php.ini lists there is replaced by what the pool lists; a function that is gone does not come back later. */
const DISABLE_FUNCTIONS = 'disable_functions';

/** The arguments of a template: without the settings that its zygotes are given after they were forked. */
export function templateArguments(pool: PoolConfig, options: PhpOptions): string[] {
  const values = phpValues(pool).flatMap(({ key, value }) => {
    if (!isLateSetting(key, pool)) return { key, value };
    return key === DISABLE_FUNCTIONS ? { key, value: '' } : [];
  });
  return argumentsWith(pool, options, values);
}

/** `php_value` and `php_admin_value` in the order in which they are set. */
export function phpValues(pool: PoolConfig): KeyValue[] {
  return [...inOrderOfApplication(pool.phpValue), ...inOrderOfApplication(pool.phpAdminValue)];
}

function argumentsWith(pool: PoolConfig, options: PhpOptions, values: readonly KeyValue[]): string[] {
  const own = pool.phpIni === undefined ? options : { ...options, noIni: false, ini: pool.phpIni };
  return [
    ...(pool.opcacheShare === undefined ? [] : SHARED_OPCACHE_ARGUMENTS),
    ...phpOptionArguments(own),
    ...values.map(({ key, value }) => `-d${key}=${quoteIni(value)}`),
    // php-fpm knows no such setting: a script that begins with #! prints that line.
    '-dcgi.check_shebang_line=0',
    `-dextension=${LIBRARY_PATH}`,
  ];
}

/**
 * A value that PHP's INI parser reads back byte by byte: in single quotes nothing has a meaning, and adjacent quoted
 * pieces are joined. No piece may be empty: `''` beside another piece is not taken for an empty one.
 */
export function quoteIni(value: string): string {
  const pieces = value.match(/'+|[^']+/g) ?? [];
  const quoted = pieces.map((piece) => (piece.startsWith("'") ? `"${piece}"` : `'${piece}'`));
  return quoted.join('') || "''";
}
