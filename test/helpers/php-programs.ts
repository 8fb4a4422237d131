import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { findPhpCgi, PhpBinaryError } from '../../src/zygote/php-binary.js';

/** The machine's own php-cgi, by its real name: on Debian and Ubuntu that has the version in it. */
export const SYSTEM_PHP_CGI = realPath('php-cgi') ?? '/usr/bin/php-cgi';

/** The php-cgi under test. `npm run test:php` sets another one, with a php.ini that names its extensions. */
export const PHP_CGI = process.env.TSFPM_PHP_CGI ?? SYSTEM_PHP_CGI;
export const PHP_INI = process.env.TSFPM_PHP_CGI === undefined ? undefined : process.env.TSFPM_PHP_INI;

/** What a php.ini of a test's own has to begin with. */
export const PHP_INI_START = PHP_INI === undefined ? '' : readFileSync(PHP_INI, 'utf8');

const versions = new Map<string, string>();

/** `8.4` of a php-cgi, which is asked once. */
export function phpVersion(phpCgi = PHP_CGI): string {
  const known = versions.get(phpCgi);
  if (known !== undefined) return known;
  const { stdout } = spawnSync(phpCgi, ['-n', '-v'], { encoding: 'utf8' });
  const version = /^PHP ([0-9]+\.[0-9]+)\./.exec(stdout ?? '')?.[1];
  if (version === undefined) throw new Error(`${phpCgi} does not tell its version`);
  versions.set(phpCgi, version);
  return version;
}

/** php-fpm's pages tell one thing more from 8.4 on, and so do ours of a pool with such a PHP. */
export function tellsMemoryPeak(): boolean {
  return Number(phpVersion()) >= 8.4;
}

/** `8.2` of `php-cgi8.2`; empty where the name does not tell. */
const VERSION = /[0-9]+\.[0-9]+$/.exec(SYSTEM_PHP_CGI)?.[0] ?? '';

/** The php-fpm of the same version, for comparisons; it may not be there. */
export const PHP_FPM =
  [`php-fpm${VERSION}`, 'php-fpm']
    .flatMap((name) => ['/usr/sbin', '/usr/local/sbin', '/usr/bin'].map((folder) => join(folder, name)))
    .find((path) => existsSync(path)) ?? `/usr/sbin/php-fpm${VERSION}`;

/** Where Debian and Ubuntu name the extensions of {@link SYSTEM_PHP_CGI}; it may not be there. */
export const EXTENSIONS_FOLDER = `/etc/php/${VERSION}/cgi/conf.d`;

function realPath(name: string): string | undefined {
  try {
    return realpathSync(findPhpCgi(name, process.env.PATH));
  } catch (error) {
    if (error instanceof PhpBinaryError) return undefined; // the tests that need it will tell
    throw error;
  }
}
