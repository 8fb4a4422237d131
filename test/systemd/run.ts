/**
 * What `npm run test:systemd` runs: the units under the systemd of Debian 12 (252) and 13 (257), each booted in a
 * container. The two Debians are brought along at the first run and stay in a cache.
 *
 *   node dist/test/systemd/run.js [bookworm|trixie]
 *
 * Where this machine cannot run them they are left out, with the reason.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bringDebian, type Release } from '../debian/root.js';
import { bringNode, lowestSupported } from '../node/install.js';
import { NotAvailable } from '../php/archive.js';
import { requireBoot, requirePrograms } from './required.js';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const TEST = fileURLToPath(new URL('units.test.js', import.meta.url));
const RELEASES: readonly Release[] = ['bookworm', 'trixie'];
const PATIENCE_MS = 300_000;

const wanted = RELEASES.filter((release) => process.argv.length === 2 || process.argv.includes(release));
let isGood = true;
for (const release of wanted)
  try {
    isGood = test(release, await prepare(release)) && isGood;
  } catch (error) {
    if (!(error instanceof NotAvailable)) throw error;
    console.log(`${release}: left out: ${error.message}`);
  }
process.exit(isGood ? 0 : 1);

/** @returns what the test needs to know @throws NotAvailable */
async function prepare(release: Release): Promise<Record<string, string>> {
  requirePrograms();
  const root = bringDebian(release);
  await requireBoot(root, CHECKOUT);
  if (release !== 'bookworm') return { TSFPM_ROOT: root };
  const node = bringNode(lowestSupported());
  if (typeof node !== 'string') throw new NotAvailable(`Node ${lowestSupported()}: ${node.reason}`);
  return { TSFPM_ROOT: root, TSFPM_NODE: node };
}

function test(release: Release, environment: Record<string, string>): boolean {
  console.log(`\n${release}`);
  const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=spec', TEST], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: PATIENCE_MS,
  });
  return status === 0;
}
