/**
 * What `npm run test:php` runs: the tests that hold for every PHP version, over the php-cgi of other releases of Debian or
 * Ubuntu, one version after the other. They are brought along at the first run and stay in a cache.
 *
 *   node dist/test/php/run.js [--only VERSION]... [--install] [--list] [WORD...]
 *
 * --install brings them and runs nothing; --list prints which are there: version, php-cgi, php.ini, root, separated by
 * tabs. A WORD replaces the choice of test files.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Archive, findArchive, NotAvailable, RELEASES } from './archive.js';
import { CommandFailed, run } from './command.js';
import { findInstalled, type InstalledPhp, installPhp, VERSIONS } from './install.js';

const TEST_RUN = fileURLToPath(new URL('../run.js', import.meta.url));
const SYSTEM_PHP_CGI = 'php-cgi';
/** Several times what a version takes on a busy machine with two processors. */
const VERSION_TIMEOUT_MS = 400_000;

/** Files of test/integration whose promises do not depend on the version, and that touch what could. */
const FILES = [
  'backtrace',
  'environment',
  'fastcgi-php-binary',
  'finish-request',
  'main-script',
  'opcache-restarts',
  'output-by-path',
  'pages-as-requests',
  'php-',
  'reload-warm',
  'reload.test',
  'request-body-file',
  'request-ini',
  'script-forks',
  'script-path',
  'script-signals',
  'scripts-see',
  'slow-requests',
  'status-get-status',
  'status.test',
  'system-calls',
  'template-failures',
  'template-isolation',
  'template-settings',
  'templates',
  'time-limits',
  'workers',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true },
    install: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const allVersions = [...new Set(Object.values(RELEASES).flatMap((releases) => Object.keys(releases)))].sort();
if (values.list) list();
else process.exit((await testAll()) ? 0 : 1);

function list(): void {
  for (const version of allVersions) {
    const php = findInstalled(version);
    if (php !== undefined) console.log([php.version, php.phpCgi, php.phpIni, php.root].join('\t'));
  }
}

async function testAll(): Promise<boolean> {
  const results: { version: string; result: string; isGood: boolean }[] = [];
  for (const version of wantedVersions()) {
    const php = await bring(version);
    if (typeof php === 'string') {
      results.push({ version, result: `left out: ${php}`, isGood: values.only === undefined });
      continue;
    }
    const full = fullVersion(php);
    if (values.install) {
      results.push({ version, result: `PHP ${full}: ${php.phpCgi}`, isGood: true });
      continue;
    }
    console.log(`\nPHP ${full}: ${php.phpCgi}`);
    const startedAt = performance.now();
    const { isGood, tally } = testWith(php);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    results.push({ version, result: `PHP ${full}: ${tally} in ${seconds} s`, isGood });
  }
  console.log('');
  for (const { version, result } of results) console.log(`${version}  ${result}`);
  return results.every(({ isGood }) => isGood);
}

/** All but the one that `npm test` uses anyway. */
function wantedVersions(): string[] {
  if (values.only !== undefined) return values.only;
  const system = spawnSync(SYSTEM_PHP_CGI, ['-v'], { encoding: 'utf8' }).stdout ?? '';
  return archiveVersions().filter((version) => !system.startsWith(`PHP ${version}.`));
}

function archiveVersions(): string[] {
  const archive = archiveOrReason();
  return typeof archive === 'string' ? allVersions : Object.keys(RELEASES[archive.distribution]);
}

function archiveOrReason(): Archive | string {
  try {
    return findArchive();
  } catch (error) {
    if (error instanceof NotAvailable || error instanceof CommandFailed) return error.message;
    throw error;
  }
}

/** @returns why there is none, where that is so */
async function bring(version: string): Promise<InstalledPhp | string> {
  const there = findInstalled(version);
  if (there !== undefined) return there;
  const archive = archiveOrReason();
  if (typeof archive === 'string') return archive;
  console.error(`bringing PHP ${version} from ${archive.uri} into ${VERSIONS}`);
  try {
    return await installPhp(version, archive);
  } catch (error) {
    if (error instanceof NotAvailable) return error.message;
    throw error;
  }
}

function fullVersion({ phpCgi, phpIni }: InstalledPhp): string {
  return /^PHP (?<full>\S+)/.exec(run(phpCgi, ['-c', phpIni, '-v']))?.groups?.full ?? 'of no known version';
}

function testWith({ phpCgi, phpIni }: InstalledPhp): { isGood: boolean; tally: string } {
  const words = positionals.length > 0 ? positionals : [FILES.join('|')];
  const { status, stdout } = spawnSync(process.execPath, [TEST_RUN, '--integration', ...words], {
    env: { ...process.env, TSFPM_PHP_CGI: phpCgi, TSFPM_PHP_INI: phpIni },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    timeout: VERSION_TIMEOUT_MS,
    maxBuffer: 256 * 1024 * 1024,
  });
  const lines = stdout.trimEnd().split('\n');
  if (status !== 0) console.log(stdout);
  return { isGood: status === 0, tally: lines.at(-1) ?? 'nothing' };
}
