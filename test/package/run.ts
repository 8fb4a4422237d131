/**
 * What `npm run test:package` runs: the Debian package in a Debian system of its own, with systemd, in a container.
 * lintian finds no error in it; it is installed, serves, is upgraded under load without a lost request, removed and
 * purged; a purge leaves nothing. inside.ts is what happens in the container.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NotAvailable } from '../php/archive.js';
import { CommandFailed, run } from '../php/command.js';
import { debianRoot } from './root.js';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const BOOT_PATIENCE_MS = 300_000;
const UNIT = `[Unit]
Description=The test of the package
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/usr/bin/node /opt/tsfpm/dist/test/package/inside.js
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=append:/opt/result/output
StandardError=append:/opt/result/output

[Install]
WantedBy=default.target
`;

process.exit(test());

function test(): number {
  const missing = whyNot();
  if (missing !== undefined) {
    console.log(`left out: ${missing}`);
    return 0;
  }
  const folder = mkdtempSync('/tmp/tsfpm-package-');
  const system = join(folder, 'system');
  try {
    const packages = makePackages(folder);
    mountCopy(debianRoot(), folder, system);
    return boot(system, folder, packages);
  } catch (error) {
    if (!(error instanceof CommandFailed || error instanceof NotAvailable)) throw error;
    console.error(error.message);
    return 1;
  } finally {
    unmount(system);
    unmount(folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

function whyNot(): string | undefined {
  if (process.geteuid?.() !== 0) return 'a container needs root';
  for (const [program, option] of [
    ['systemd-nspawn', '--version'],
    ['debootstrap', '--version'],
    ['dpkg-deb', '--version'],
  ] as const)
    try {
      run(program, [option]);
    } catch {
      return `${program} is missing`;
    }
  return undefined;
}

/** This version, and one that is newer. */
function makePackages(folder: string): string {
  const packages = join(folder, 'packages');
  mkdirSync(packages);
  const made = join(REPOSITORY, 'dist/package');
  for (const suffix of ['', '+test1']) {
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
    run(process.execPath, [join(REPOSITORY, 'bin/package-deb.mjs')], {
      environment: { TSFPM_PACKAGE_VERSION: `${version}${suffix}` },
    });
    const [name = ''] = readdirSync(made).filter((one) => one.endsWith('.deb'));
    run('cp', [join(made, name), join(packages, suffix === '' ? 'first.deb' : 'second.deb')]);
  }
  return packages;
}

/** What is written goes into memory, so that the next run finds the system as it was. */
function mountCopy(root: string, folder: string, system: string): void {
  run('mount', ['-t', 'tmpfs', '-o', 'size=1g', 'tsfpm-package', mkdir(join(folder, 'layers'))]);
  const [upper, work] = ['layers/upper', 'layers/work'].map((name) => mkdir(join(folder, name)));
  mkdir(system);
  run('mount', [
    '-t',
    'overlay',
    '-o',
    `lowerdir=${root},upperdir=${upper},workdir=${work}`,
    'overlay',
    system,
  ]);
}

function boot(system: string, folder: string, packages: string): number {
  const result = mkdir(join(folder, 'result'));
  writeFileSync(join(system, 'etc/systemd/system/tsfpm-test.service'), UNIT);
  mkdirSync(join(system, 'etc/systemd/system/default.target.wants'), { recursive: true });
  run('ln', [
    '-s',
    '../tsfpm-test.service',
    join(system, 'etc/systemd/system/default.target.wants/tsfpm-test.service'),
  ]);
  let words = '';
  try {
    words = run(
      'systemd-nspawn',
      [
        ...['--quiet', '--boot', '--register=no', '--keep-unit', '--private-network', '--directory', system],
        `--bind-ro=${join(REPOSITORY, 'dist')}:/opt/tsfpm/dist`,
        `--bind-ro=${join(REPOSITORY, 'node_modules')}:/opt/tsfpm/node_modules`,
        `--bind-ro=${join(REPOSITORY, 'package.json')}:/opt/tsfpm/package.json`,
        `--bind-ro=${packages}:/opt/packages`,
        `--bind=${result}:/opt/result`,
      ],
      { patienceMs: BOOT_PATIENCE_MS },
    );
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    words = error.message;
  }
  const output = readdirSync(result).includes('output')
    ? readFileSync(join(result, 'output'), 'utf8')
    : words;
  console.log(output.trimEnd());
  return readdirSync(result).includes('passed') ? 0 : 1;
}

function mkdir(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

function unmount(path: string): void {
  for (const at of [path, join(path, 'layers')])
    try {
      run('umount', [at]);
    } catch {
      // it was not mounted
    }
}
