import type { Config, PoolConfig } from './config.js';
import { fatal, type Problem } from './problem.js';

/** Finds a user or a group by name; `undefined` where the machine does not know it. */
export interface AccountLookup {
  readonly uidOf: (user: string) => number | undefined;
  readonly gidOf: (group: string) => number | undefined;
}

/**
 * Every user and group that the file names has to exist. Digits are taken as they are.
 * Part of `-t` and of every start by root.
 */
export function checkAccounts(config: Config, lookup: AccountLookup): Problem[] {
  return config.pools.flatMap((pool) => {
    const usesOwner = !hasAccessList(pool);
    return [
      ...unknownUser(pool, 'user', pool.user, lookup),
      ...unknownGroup(pool, 'group', pool.group, lookup),
      ...(usesOwner ? unknownUser(pool, 'listen.owner', pool.listenOwner || undefined, lookup, UNKNOWN) : []),
      ...(usesOwner
        ? unknownGroup(pool, 'listen.group', pool.listenGroup || undefined, lookup, UNKNOWN)
        : []),
    ];
  });
}

/** php-fpm appends errno where the lookup set none. */
const UNKNOWN = ': Success (0)';

function hasAccessList(pool: PoolConfig): boolean {
  return Boolean(pool.listenAclUsers) || Boolean(pool.listenAclGroups);
}

function unknownUser(
  pool: PoolConfig,
  directive: string,
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
  directive: string,
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

/** An empty name counts as number 0, which a start refuses as root. */
function isNumber(name: string): boolean {
  return /^[0-9]*$/.test(name);
}
