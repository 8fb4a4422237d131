/**
 * What `npm run test:node` runs: the tests of `tsfpm upgrade` and of reloads, and of who waits for which child, with other
 * versions of Node than the one that is installed: the lowest that package.json names, and Debian 13's. They are brought
 * from npm's registry at the first run and stay in a cache.
 *
 *   node dist/test/node/run.js [--only VERSION]... [WORD...]
 *
 * A WORD replaces the choice of test files.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CommandFailed, run } from '../php/command.js';

const TEST_RUN = fileURLToPath(new URL('../run.js', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../../package.json', import.meta.url));
/** Where they stay: as root for everybody, else in the user's own cache. */
const CACHE =
  process.geteuid?.() === 0 ? '/var/cache/tsfpm/node' : join(homedir(), '.cache', 'tsfpm', 'node');
/** Several times what a version takes on a busy machine with two processors. */
const VERSION_TIMEOUT_MS = 600_000;

const DEBIAN_13 = '20.19.2';
/** Each starts programs through Node and children of its own beside them, which each Node version waits for in its way. */
const FILES = ['integration/upgrade', 'integration/reload', 'integration/workers'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true } },
});

const results = (values.only ?? [lowestSupported(), DEBIAN_13]).map(testWith);
for (const { version, result } of results) console.log(`Node ${version}  ${result}`);
process.exit(results.every(({ isGood }) => isGood) ? 0 : 1);

/** What `engines` asks for: `>=20.17` is 20.17.0. */
function lowestSupported(): string {
  const { engines } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { engines: { node: string } };
  const [, version] = /^>=(\d+\.\d+)$/.exec(engines.node) ?? [];
  if (version === undefined)
    throw new Error(`package.json: engines.node is not >=MAJOR.MINOR: ${engines.node}`);
  return `${version}.0`;
}

function testWith(version: string): { version: string; result: string; isGood: boolean } {
  const program = bring(version);
  if (typeof program !== 'string')
    return { version, result: `left out: ${program.reason}`, isGood: values.only === undefined };
  // bin/tsfpm looks for `node` in PATH.
  const env = { ...process.env, PATH: `${dirname(program)}${delimiter}${process.env.PATH ?? ''}` };
  const words = positionals.length > 0 ? positionals : [FILES.join('|')];
  const { status, stdout } = spawnSync(program, [TEST_RUN, '--integration', ...words], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    timeout: VERSION_TIMEOUT_MS,
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status !== 0) console.log(stdout);
  return { version, result: stdout.trimEnd().split('\n').at(-1) ?? 'nothing', isGood: status === 0 };
}

/** @returns the program, or why there is none */
function bring(version: string): string | { readonly reason: string } {
  const place = join(CACHE, version);
  const program = join(place, 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, '.new-'));
  try {
    const name = `node-linux-${process.arch}@${version}`;
    const archive = run('npm', ['pack', '--silent', name], { cwd: folder }).trim();
    run('tar', ['xzf', archive], { cwd: folder });
    const found = run(join(folder, 'package/bin/node'), ['--version']).trim();
    if (found !== `v${version}`) return { reason: `the package ${name} holds Node ${found}` };
    // A run beside this one may have been quicker.
    if (!existsSync(place)) renameSync(join(folder, 'package'), place);
    return program;
  } catch (error) {
    if (error instanceof CommandFailed) return { reason: error.message };
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
