import { existsSync, readFileSync } from 'node:fs';
import { run } from './command.js';

/** What is missing for other PHP versions on this machine: not an error, the tests of that version are left out. */
export class NotAvailable extends Error {
  override readonly name = 'NotAvailable';
}

/** Where this machine gets its own packages from: other releases of the distribution are beside its own. */
export interface Archive {
  readonly distribution: Distribution;
  readonly uri: string;
  readonly keyring: string | undefined;
}

export type Distribution = keyof typeof RELEASES;

/**
 * PHP versions by distribution, and in which of its releases to look for each, in this order. A name with a plus is two
 * releases together: `experimental` has only what is newer than in `sid`.
 */
export const RELEASES = {
  debian: {
    '7.4': ['bullseye'],
    '8.2': ['bookworm'],
    '8.4': ['trixie'],
    '8.5': ['forky', 'sid', 'sid+experimental'],
  },
  ubuntu: {
    '7.4': ['focal'],
    '8.1': ['jammy'],
    '8.3': ['noble'],
    '8.4': ['questing', 'plucky'],
    '8.5': ['resolute'],
  },
} as const;

/** Where the packages `debian-archive-keyring` and `ubuntu-keyring` put them. */
const KEYRINGS: Record<Distribution, readonly string[]> = {
  debian: ['debian-archive-keyring.gpg', 'debian-archive-keyring.pgp'],
  ubuntu: ['ubuntu-archive-keyring.gpg'],
};

const OS_RELEASE = '/etc/os-release';

/**
 * The archive that apt's own sources name for this release.
 *
 * @throws NotAvailable with what is missing
 */
export function findArchive(): Archive {
  if (!existsSync(OS_RELEASE)) throw new NotAvailable(`there is no ${OS_RELEASE}`);
  // Without release information also where nothing has been downloaded yet.
  const format = ['--no-release-info', '--format', '$(RELEASE) $(COMPONENT) $(REPO_URI)'];
  const targets = () => run('apt-get', ['indextargets', ...format, 'Created-By: Packages']);
  const { distribution, uri } = archiveFrom(readFileSync(OS_RELEASE, 'utf8'), targets);
  const keyring = KEYRINGS[distribution].map((name) => `/usr/share/keyrings/${name}`).find(existsSync);
  return { distribution, uri, keyring };
}

/**
 * Pure but for `targets`.
 *
 * @param osRelease as os-release(5) has it
 * @param targets what apt knows of: lines with a release, a component and the archive's address
 */
export function archiveFrom(osRelease: string, targets: () => string): Omit<Archive, 'keyring'> {
  const lines = osRelease.matchAll(/^(?<name>[A-Z_]+)=(?<value>.*)$/gm);
  const os = new Map([...lines].map(({ groups = {} }) => [groups.name, unquote(groups.value ?? '')]));
  const distribution = os.get('ID') ?? 'unknown';
  if (!isDistribution(distribution))
    throw new NotAvailable(`this is ${distribution}; other versions of PHP come from Debian or Ubuntu here`);
  const codename = os.get('VERSION_CODENAME') ?? '';
  const rows = targets()
    .split('\n')
    .map((line) => line.split(' '));
  const uri = rows.find(([release, component]) => release === codename && component === 'main')?.[2];
  if (uri === undefined)
    throw new NotAvailable(`apt's sources name no archive with ${codename || distribution} main`);
  return { distribution, uri };
}

function isDistribution(name: string): name is Distribution {
  return Object.hasOwn(RELEASES, name);
}

function unquote(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, '$2');
}
