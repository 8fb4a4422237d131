/**
 * What `npm run test:package` runs: the Debian package in a Debian 13 of its own, with systemd, in a container. lintian
 * finds no error in it; it is installed, serves, is upgraded under load without a lost request, and purged; a purge leaves
 * nothing. inside.ts is what happens in the container. Where this machine cannot run it, it is left out, with the reason.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringDebian } from '../debian/root.js';
import { NotAvailable } from '../php/archive.js';
import { run } from '../php/command.js';
import { Container } from '../systemd/container.js';
import { requireBoot, requirePrograms } from '../systemd/required.js';

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));
/** inside.ts finds them there. */
const PACKAGES = join(CHECKOUT, 'dist/test-packages');

try {
  requirePrograms();
  const root = bringDebian('trixie');
  await requireBoot(root, CHECKOUT);
  makePackage('first.deb', '');
  makePackage('second.deb', '+test1');
  process.exitCode = await testIn(root);
} catch (error) {
  if (!(error instanceof NotAvailable)) throw error;
  console.log(`left out: ${error.message}`);
} finally {
  rmSync(PACKAGES, { recursive: true, force: true });
}

/** @param suffix of the version: whatever is not empty makes it newer than the checkout's */
function makePackage(name: string, suffix: string): void {
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'));
  run(process.execPath, [join(CHECKOUT, 'bin/package-deb.mjs')], {
    environment: { TSFPM_PACKAGE_VERSION: `${version}${suffix}` },
  });
  const made = join(CHECKOUT, 'dist/package');
  const [file = ''] = readdirSync(made);
  mkdirSync(PACKAGES, { recursive: true });
  run('mv', [join(made, file), join(PACKAGES, name)]);
}

/** @returns the exit code */
async function testIn(root: string): Promise<number> {
  const container = await Container.boot({ root, checkout: CHECKOUT, node: undefined });
  try {
    const { code, output } = container.run('node', '/opt/tsfpm/dist/test/package/inside.js');
    console.log(output.trimEnd());
    return code ?? 1;
  } finally {
    await container.halt();
  }
}
