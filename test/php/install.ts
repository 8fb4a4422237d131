import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { CACHE } from '../helpers/cache.js';
import { ScratchApt } from './apt.js';
import { type Archive, NotAvailable, RELEASES } from './archive.js';
import { CommandFailed, run } from './command.js';

/** A php-cgi of another release, with its own libraries, that runs as any other program does. */
export interface InstalledPhp {
  /** `7.4` */
  readonly version: string;
  readonly phpCgi: string;
  /** Names its extensions; for `php_ini`. */
  readonly phpIni: string;
  /** What its packages hold. */
  readonly root: string;
}

/** Where they stay. */
export const VERSIONS = join(CACHE, 'php');

/** Of a package's dependencies only these hold something that php-cgi uses; no programs. */
const USEFUL = /^(?:php|lib|zlib|tzdata)/;
/** Loaded before the others: those need them. */
const FIRST_EXTENSIONS = ['mysqlnd', 'pdo'];

/** One that is there already. */
export function findInstalled(version: string): InstalledPhp | undefined {
  const php = placeOf(version);
  return existsSync(php.phpCgi) && existsSync(php.phpIni) ? php : undefined;
}

function placeOf(version: string): InstalledPhp {
  const folder = join(VERSIONS, version);
  return {
    version,
    phpCgi: join(folder, 'php-cgi'),
    phpIni: join(folder, 'php.ini'),
    root: join(folder, 'root'),
  };
}

/**
 * Brings a PHP version from another release of the distribution. Nothing is installed on the machine: the packages are
 * unpacked into a folder, and php-cgi is made to look there for its libraries.
 *
 * @throws NotAvailable where the archive has none that runs here
 */
export async function installPhp(version: string, archive: Archive): Promise<InstalledPhp> {
  const choices: Readonly<Record<string, readonly string[]>> = RELEASES[archive.distribution];
  const reasons: string[] = [];
  for (const choice of choices[version] ?? [])
    try {
      return await installFrom(version, archive, choice.split('+'));
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      reasons.push(`${choice}: ${error.message}`);
    }
  throw new NotAvailable(reasons.join('\n  ') || `no release of ${archive.distribution} has it`);
}

async function installFrom(
  version: string,
  archive: Archive,
  releases: readonly string[],
): Promise<InstalledPhp> {
  const target = join(VERSIONS, version);
  // Whole or not at all; another run at the same time works in its own folder, and the first one done wins.
  const working = `${target}.${process.pid}`;
  try {
    mkdirSync(working, { recursive: true });
    const apt = new ScratchApt(join(working, 'apt'), archive, releases);
    await apt.update();
    const wanted = apt.withDependencies([`php${version}-cgi`, `php${version}-mbstring`]);
    const packages = await apt.download(wanted.filter((name) => USEFUL.test(name)));
    for (const name of readdirSync(packages).sort())
      run('dpkg-deb', ['-x', join(packages, name), join(working, 'root')]);
    rmSync(join(working, 'apt'), { recursive: true });
    makeRunnable(version, working, target);
    moveInto(working, target);
  } finally {
    rmSync(working, { recursive: true, force: true });
  }
  const php = placeOf(version);
  try {
    run(php.phpCgi, ['-c', php.phpIni, '-v']);
  } catch (error) {
    rmSync(target, { recursive: true, force: true });
    throw error;
  }
  return php;
}

/** php-cgi and php.ini in `working`, as they have to be in `target`. */
function makeRunnable(version: string, working: string, target: string): void {
  const libraries = ['lib', 'usr/lib']
    .flatMap((place) => subfolders(join(working, 'root', place)).map((name) => join('root', place, name)))
    .filter((place) => readdirSync(join(working, place)).some((name) => /\.so\.[0-9]/.test(name)));
  const loader = libraries
    .flatMap((place) => readdirSync(join(working, place)).map((name) => join(place, name)))
    .find((path) => /\/ld-linux[^/]*\.so\.[0-9]+$/.test(path));
  if (loader === undefined) throw new CommandFailed('the C library came without its loader');
  copyFileSync(join(working, 'root/usr/bin', `php-cgi${version}`), join(working, 'php-cgi'));
  run('patchelf', [
    // An RPATH counts for the libraries' libraries too.
    '--force-rpath',
    '--set-rpath',
    libraries.map((place) => join(target, place)).join(':'),
    '--set-interpreter',
    join(target, loader),
    join(working, 'php-cgi'),
  ]);
  writeFileSync(join(working, 'php.ini'), phpIni(version, working, target));
}

/** As Debian's own: the settings for production, and all extensions. */
function phpIni(version: string, working: string, target: string): string {
  const base = 'root/usr/lib/php';
  const api = subfolders(join(working, base)).find((name) => /^[0-9]{8}$/.test(name)) ?? '';
  const extensions = readdirSync(join(working, base, api))
    .filter((name) => name.endsWith('.so') && name !== 'opcache.so')
    .map((name) => name.slice(0, -'.so'.length))
    .sort((a, b) => FIRST_EXTENSIONS.indexOf(b) - FIRST_EXTENSIONS.indexOf(a) || (a < b ? -1 : 1));
  // From PHP 8.5 on it is built in.
  const hasOpcache = existsSync(join(working, base, api, 'opcache.so'));
  return [
    readFileSync(join(working, base, version, 'php.ini-production'), 'utf8'),
    `extension_dir = ${join(target, base, api)}`,
    ...(hasOpcache ? ['zend_extension = opcache'] : []),
    ...extensions.map((name) => `extension = ${name}`),
    // Debian 11 turns off pcntl's, which tests fork with.
    'disable_functions =',
    '',
  ].join('\n');
}

function subfolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

function moveInto(working: string, target: string): void {
  try {
    renameSync(working, target);
  } catch (error) {
    // The other run was first.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST'))
      return;
    throw error;
  }
}
