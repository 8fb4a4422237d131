import type { Config, PoolConfig } from './config.js';
import { isUnixAddress } from './prefix.js';
import { fatal, type Problem } from './problem.js';

/** Finds a user or a group by name; `undefined` for one that the machine does not have. */
export interface AccountLookup {
  readonly uidOf: (user: string) => number | undefined;
  readonly gidOf: (group: string) => number | undefined;
}

/** The directives that name an account of the machine, but for access lists: php-fpm's `-t` does not check those. */
export type AccountDirective = 'user' | 'group' | 'listen.owner' | 'listen.group';

/** Whether a directive is used at all; an unused one may be any text. */
export type AccountUse = (pool: PoolConfig, directive: AccountDirective) => boolean;

/** For `-t`: every directive is checked, whichever user runs it. */
export const everyAccount: AccountUse = () => true;

/** For a start: only root can change the user of processes, and an access list replaces a socket's owner and group. */
export function accountsOfStart(isRoot: boolean): AccountUse {
  return (pool, directive) =>
    directive === 'user' || directive === 'group'
      ? isRoot
      : isUnixAddress(pool.listen) && !pool.listenAclUsers && !pool.listenAclGroups;
}

/** Checks that every user and group in the file exists. Numbers are not checked. */
export function checkAccounts(config: Config, lookup: AccountLookup, isUsed: AccountUse): Problem[] {
  return config.pools.flatMap((pool) => {
    const owner = pool.listenOwner || undefined;
    const group = pool.listenGroup || undefined;
    const problems: readonly (readonly [AccountDirective, Problem[]])[] = [
      ['user', unknownUser(pool, 'user', pool.user, lookup)],
      ['group', unknownGroup(pool, 'group', pool.group, lookup)],
      ['listen.owner', unknownUser(pool, 'listen.owner', owner, lookup, UNKNOWN)],
      ['listen.group', unknownGroup(pool, 'listen.group', group, lookup, UNKNOWN)],
    ];
    return problems.flatMap(([directive, found]) => (isUsed(pool, directive) ? found : []));
  });
}

/** php-fpm appends errno where the lookup set none. */
const UNKNOWN = ': Success (0)';

function unknownUser(
  pool: PoolConfig,
  directive: AccountDirective,
  name: string | undefined,
  lookup: AccountLookup,
  suffix = '',
): Problem[] {
  return name === undefined || isNumber(name) || lookup.uidOf(name) !== undefined
    ? []
    : [unknown(pool, directive, name, `cannot get uid for user '${name}'${suffix}`)];
}

function unknownGroup(
  pool: PoolConfig,
  directive: AccountDirective,
  name: string | undefined,
  lookup: AccountLookup,
  suffix = '',
): Problem[] {
  return name === undefined || isNumber(name) || lookup.gidOf(name) !== undefined
    ? []
    : [unknown(pool, directive, name, `cannot get gid for group '${name}'${suffix}`)];
}

function unknown(pool: PoolConfig, directive: string, value: string, text: string): Problem {
  return fatal(`[pool ${pool.name}] ${text}`, { section: pool.name, directive, value });
}

/** True for an empty name too: it counts as number 0, which a start refuses as root. */
function isNumber(name: string): boolean {
  return /^[0-9]*$/.test(name);
}
