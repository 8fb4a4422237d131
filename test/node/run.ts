/**
 * What `npm run test:node` runs: the tests of `tsfpm upgrade` and of reloads, and of who waits for which child, with other
 * versions of Node than the one that is installed: the lowest that package.json names, and Debian 13's, as npm's registry
 * has it and as Debian's own package, which comes with another libuv. They are brought at the first run and stay in a cache.
 *
 *   node dist/test/node/run.js [--only VERSION]... [WORD...]
 *
 * A WORD replaces the choice of test files.
 */
import { spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bringDebian } from '../debian/root.js';
import { NotAvailable } from '../php/archive.js';
import { bringNode, lowestSupported } from './install.js';

/** dist/test/node/ -> the checkout */
const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
/** Several times what a version takes on a busy machine with two processors. */
const VERSION_TIMEOUT_MS = 600_000;

const DEBIAN_13 = '20.19.2';
/** Each starts programs through Node and children of its own beside them, which each Node version waits for in its way. */
const FILES = ['integration/upgrade', 'integration/reload', 'integration/workers'];

/**
 * A program in the root folder of another Debian, which sees this checkout as /opt/tsfpm and this machine's processes and
 * devices; nothing of it stays.
 */
const IN_ROOT = `
root=$1; shift
mount -t tmpfs -o mode=1777 tmp "$root/tmp" && mount -t tmpfs run "$root/run" && mount -t proc proc "$root/proc" || exit 1
mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" && mount -t tmpfs opt "$root/opt" || exit 1
mkdir "$root/opt/tsfpm" && mount --bind . "$root/opt/tsfpm" || exit 1
exec chroot "$root" sh -c 'cd /opt/tsfpm && exec "$@"' sh "$@"`;

interface Result {
  readonly name: string;
  readonly result: string;
  readonly isGood: boolean;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true } },
});
const words = positionals.length > 0 ? positionals : [FILES.join('|')];

const results = (values.only ?? [lowestSupported(), DEBIAN_13]).map(testWith);
if (values.only === undefined) results.push(testInDebian13());
for (const { name, result } of results) console.log(`${name}  ${result}`);
process.exit(results.every(({ isGood }) => isGood) ? 0 : 1);

function testWith(version: string): Result {
  const name = `Node ${version}`;
  const program = bringNode(version);
  if (typeof program !== 'string')
    return { name, result: `left out: ${program.reason}`, isGood: values.only === undefined };
  // bin/tsfpm looks for `node` in PATH.
  const path = `${dirname(program)}${delimiter}${process.env.PATH ?? ''}`;
  return runTests(name, [program], { ...process.env, PATH: path });
}

function testInDebian13(): Result {
  const name = "Debian 13's package";
  try {
    const command = ['unshare', '--mount', 'sh', '-c', IN_ROOT, 'sh', bringDebian('trixie'), '/usr/bin/node'];
    return runTests(name, command, { PATH: process.env.PATH, HOME: '/root', LC_ALL: 'C.UTF-8' });
  } catch (error) {
    if (error instanceof NotAvailable) return { name, result: `left out: ${error.message}`, isGood: true };
    throw error;
  }
}

/** @param command a node, and what comes before it */
function runTests(name: string, command: readonly string[], env: NodeJS.ProcessEnv): Result {
  const [program = '', ...args] = [...command, 'dist/test/run.js', '--integration', ...words];
  const { status, stdout } = spawnSync(program, args, {
    cwd: CHECKOUT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    timeout: VERSION_TIMEOUT_MS,
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status !== 0) console.log(stdout);
  return { name, result: stdout.trimEnd().split('\n').at(-1) ?? 'nothing', isGood: status === 0 };
}
