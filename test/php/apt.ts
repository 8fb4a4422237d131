import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Archive } from './archive.js';
import { CommandFailed, run } from './command.js';

/** Downloads are tried again: a mirror may be between two states. */
const ATTEMPTS = 2;
const PAUSE_MS = 2000;

/** An apt of its own, below a folder: it knows other releases, takes nothing for installed, and installs nothing. */
export class ScratchApt {
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;

  /** @param releases names of releases of the archive */
  constructor(folder: string, archive: Archive, releases: readonly string[]) {
    this.#folder = folder;
    for (const name of ['lists/partial', 'archives/partial', 'packages'])
      mkdirSync(join(folder, name), { recursive: true });
    const signedBy = archive.keyring === undefined ? '' : `[signed-by=${archive.keyring}] `;
    const sources = releases.map((release) => `deb ${signedBy}${archive.uri} ${release} main\n`);
    this.#write('sources.list', sources.join(''));
    this.#write('status', '');
    const settings = {
      'Dir::Etc::sourcelist': join(folder, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State::status': join(folder, 'status'),
      'Dir::State::lists': join(folder, 'lists'),
      'Dir::Cache::archives': join(folder, 'archives'),
      'Dir::Cache::pkgcache': '',
      'Dir::Cache::srcpkgcache': '',
      'Acquire::Languages': 'none',
      // A mirror that does not answer leaves a version out; it must not take all day.
      'Acquire::Retries': '0',
      'Acquire::http::Timeout': '15',
      'Acquire::https::Timeout': '15',
      'APT::Install-Recommends': 'false',
      // A release that gets no more updates is as good as it was.
      'Acquire::Check-Valid-Until': 'false',
      // Its user may not write below a folder of ours.
      'APT::Sandbox::User': '',
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
    this.#write('apt.conf', lines.join(''));
    this.#environment = { APT_CONFIG: join(folder, 'apt.conf') };
  }

  /** @throws CommandFailed where the archive has no such release, or cannot be reached */
  async update(): Promise<void> {
    await retried(() => this.#apt('update', '--error-on=any'));
  }

  /**
   * Names of the packages, and of all that they depend on.
   *
   * @throws CommandFailed where the releases do not have them
   */
  withDependencies(packages: readonly string[]): string[] {
    const uris = this.#apt('install', '--yes', '--print-uris', ...packages);
    return [...uris.matchAll(/^'[^']*' (?<name>[^_]+)_/gm)].map(({ groups }) => groups?.name ?? '');
  }

  /** @returns the folder with the package files */
  async download(packages: readonly string[]): Promise<string> {
    const folder = join(this.#folder, 'packages');
    await retried(() => run('apt-get', ['-q', 'download', ...packages], this.#options(folder)));
    return folder;
  }

  #apt(...args: string[]): string {
    return run('apt-get', ['-q', ...args], this.#options(this.#folder));
  }

  #options(cwd: string) {
    return { cwd, environment: this.#environment };
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#folder, name), text);
  }
}

async function retried(act: () => void): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      act();
      return;
    } catch (error) {
      if (!(error instanceof CommandFailed) || attempt === ATTEMPTS) throw error;
      await sleep(PAUSE_MS);
    }
}
