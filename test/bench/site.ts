import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { EXTENSIONS_FOLDER } from '../helpers/php-programs.js';

/** The checkout; this file runs as dist/test/bench/site.js. */
export const REPOSITORY = resolve(import.meta.dirname, '../../..');

export { PHP_FPM, SYSTEM_PHP_CGI as PHP_CGI } from '../helpers/php-programs.js';

export const SPAWN_FCGI = '/usr/bin/spawn-fcgi';

/** As Debian's php.ini-production where it matters here; opcache as shipped. */
const PHP_INI = `memory_limit = 128M
output_buffering = 4096
variables_order = GPCS
expose_php = Off
display_errors = Off
log_errors = On
opcache.enable = 1
opcache.validate_timestamps = 1
opcache.revalidate_freq = 2
`;

/** The one place on disk that all subjects serve from; workers of another user can read it. */
export interface Site {
  readonly folder: string;
  /**
   * In memory, as /run of a server. On ext4 a new file takes longer the more were removed within the last seconds, which
   * thousands of sockets of the subject before have been.
   */
  readonly sockets: string;
  /** Holds the fixtures of test/bench/pages; scenarios may add theirs. */
  readonly pages: string;
  readonly phpIni: string;
  /** Environment of every subject. */
  readonly environment: Readonly<Record<string, string>>;
  /** User and group of the workers; `undefined` when not started by root. */
  readonly workerUser: string | undefined;
}

export function createSite(): Site {
  const folder = mkdtempSync('/tmp/tsfpm-bench-');
  const sockets = mkdtempSync('/dev/shm/tsfpm-bench-');
  for (const each of [folder, sockets]) chmodSync(each, 0o755);
  const pages = join(folder, 'pages');
  cpSync(join(REPOSITORY, 'test/bench/pages'), pages, { recursive: true });
  const phpIni = join(folder, 'php.ini');
  writeFileSync(phpIni, PHP_INI);
  return {
    folder,
    sockets,
    pages,
    phpIni,
    environment: {
      PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
      // Named for all subjects, or php-fpm would load its own list.
      ...(existsSync(EXTENSIONS_FOLDER) && { PHP_INI_SCAN_DIR: opcacheAlone(join(folder, 'extensions')) }),
    },
    workerUser: process.getuid?.() === 0 ? 'www-data' : undefined,
  };
}

/** A list of extensions without those that happen to be installed: each would add to what a process takes. */
function opcacheAlone(folder: string): string {
  mkdirSync(folder);
  const files = readdirSync(EXTENSIONS_FOLDER).filter((name) => name.endsWith('opcache.ini'));
  for (const name of files) cpSync(join(EXTENSIONS_FOLDER, name), join(folder, name), { dereference: true });
  return folder;
}

export function removeSite(site: Site): void {
  for (const folder of [site.folder, site.sockets]) rmSync(folder, { recursive: true, force: true });
}

/** A folder under the pages, made if need be. */
export function pagesFolder(site: Site, name: string): string {
  const folder = join(site.pages, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
