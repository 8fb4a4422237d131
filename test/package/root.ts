import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findArchive } from '../php/archive.js';
import { run } from '../php/command.js';

/** The release whose own nodejs is new enough for the package. */
const RELEASE = 'trixie';
const CACHE = '/var/cache/tsfpm/roots';
/** The package's own dependencies, and what the test needs; debootstrap cannot order the dependencies of lintian. */
const FIRST_PACKAGES = ['systemd-sysv', 'ca-certificates'];
const PACKAGES = ['nodejs', 'php-cgi', 'man-db', 'lintian'];
/** A download of some hundred megabytes, and a slow machine. */
const PATIENCE_MS = 900_000;

/**
 * The root folder of a Debian system that nothing of ours was ever installed in: made once, then kept.
 *
 * @throws CommandFailed, NotAvailable
 */
export function debianRoot(): string {
  const root = join(CACHE, RELEASE);
  if (existsSync(root)) return root;
  mkdirSync(CACHE, { recursive: true });
  const fresh = join(CACHE, `.${RELEASE}.${process.pid}`);
  const { uri, keyring } = findArchive();
  const options = ['--variant=minbase', `--include=${FIRST_PACKAGES.join(',')}`];
  if (keyring !== undefined) options.push(`--keyring=${keyring}`);
  try {
    run('debootstrap', [...options, RELEASE, fresh, uri], { patienceMs: PATIENCE_MS });
    copyFileSync('/etc/resolv.conf', join(fresh, 'etc/resolv.conf'));
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...PACKAGES], ['clean']])
      run('chroot', [fresh, 'apt-get', '-q', ...args], {
        patienceMs: PATIENCE_MS,
        environment: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
      });
    if (!existsSync(root)) renameSync(fresh, root);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return root;
}
