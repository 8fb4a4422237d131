import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CACHE } from '../helpers/cache.js';
import { findArchive, NotAvailable } from '../php/archive.js';
import { CommandFailed, run } from '../php/command.js';

export type Release = 'bookworm' | 'trixie';

/** gcc: some tests compile a program. lintian and man look at our package. Debian 12's own node is too old. */
const PACKAGES: Readonly<Record<Release, readonly string[]>> = {
  bookworm: ['php-cgi'],
  trixie: ['php-cgi', 'nodejs', 'gcc', 'libc6-dev', 'procps', 'lintian', 'man-db'],
};
/** In the root: what was installed, for later runs that want something else. */
const LIST = 'packages-of-tsfpm-tests';
const BASE = ['systemd', 'systemd-sysv', 'dbus'];

/**
 * The folder of a Debian of that release, made by debootstrap the first time. It holds what its packages brought, and is
 * for reading only: whoever runs it puts something writable over it.
 *
 * @throws NotAvailable with what is missing
 */
export function bringDebian(release: Release): string {
  const target = join(CACHE, 'debian', release);
  const packages = PACKAGES[release].join(' ');
  if (packagesOf(target) === packages) return target;
  if (process.geteuid?.() !== 0)
    throw new NotAvailable('only root can make the root folder of another Debian');
  const archive = findArchive();
  if (archive.distribution !== 'debian')
    throw new NotAvailable(`the archive is that of ${archive.distribution}`);
  // Whole or not at all.
  const working = `${target}.${process.pid}`;
  mkdirSync(dirname(target), { recursive: true });
  console.error(`bringing Debian ${release} into ${target}`);
  try {
    const keyring = archive.keyring === undefined ? [] : [`--keyring=${archive.keyring}`];
    const base = `--include=${BASE.join(',')}`;
    run('debootstrap', ['--variant=minbase', ...keyring, base, release, working, archive.uri], {
      patienceMs: 600_000,
    });
    // No service that a package brings may start on this machine.
    writeFileSync(join(working, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    run(
      'chroot',
      [working, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...PACKAGES[release]],
      {
        environment: { DEBIAN_FRONTEND: 'noninteractive' },
        patienceMs: 600_000,
      },
    );
    for (const name of readdirSync(join(working, 'var/cache/apt/archives')))
      rmSync(join(working, 'var/cache/apt/archives', name), { recursive: true });
    writeFileSync(join(working, LIST), packages);
    rmSync(target, { recursive: true, force: true });
    renameSync(working, target);
  } catch (error) {
    rmSync(working, { recursive: true, force: true });
    throw error instanceof CommandFailed ? new NotAvailable(error.message) : error;
  }
  return target;
}

function packagesOf(root: string): string | undefined {
  const list = join(root, LIST);
  return existsSync(list) ? readFileSync(list, 'utf8') : undefined;
}
