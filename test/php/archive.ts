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

/**
 * The archive that apt's own sources name for this release.
 *
 * @throws NotAvailable with what is missing
 */
export function findArchive(): Archive {
  const os = readOsRelease();
  const distribution = os.get('ID') ?? 'unknown';
  if (!isDistribution(distribution))
    throw new NotAvailable(`this is ${distribution}; other versions of PHP come from Debian or Ubuntu here`);
  const codename = os.get('VERSION_CODENAME') ?? '';
  const format = ['--format', '$(RELEASE) $(COMPONENT) $(REPO_URI)', 'Identifier: Packages'];
  const targets = run('apt-get', ['indextargets', ...format]).split('\n');
  const uri = targets.map((line) => line.split(' ')).find(([r, c]) => r === codename && c === 'main')?.[2];
  if (uri === undefined)
    throw new NotAvailable(`apt's sources name no archive with ${codename || distribution} main`);
  const keyring = KEYRINGS[distribution].map((name) => `/usr/share/keyrings/${name}`).find(existsSync);
  return { distribution, uri, keyring };
}

function isDistribution(name: string): name is Distribution {
  return Object.hasOwn(RELEASES, name);
}

/** os-release(5) */
function readOsRelease(): Map<string, string> {
  const path = '/etc/os-release';
  if (!existsSync(path)) throw new NotAvailable(`there is no ${path}`);
  const lines = readFileSync(path, 'utf8').matchAll(/^(?<name>[A-Z_]+)=(?<value>.*)$/gm);
  return new Map([...lines].map(({ groups = {} }) => [groups.name ?? '', unquote(groups.value ?? '')]));
}

function unquote(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, '$2');
}
