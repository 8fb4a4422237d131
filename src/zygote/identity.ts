import type { PoolConfig } from '../config/config.js';
import { ConfigError } from '../errors.js';
import { groupByName, groupIdsOfUser, userById, userByName } from '../os/accounts.js';
import type { HomeAccount } from './environment.js';

/** Whom a pool's workers become; undefined where the master is not root and they stay what it is. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** The user as the file names it, for messages. */
  readonly user: string;
}

export interface PoolAccount {
  readonly identity: Identity | undefined;
  /** For USER and HOME. */
  readonly home: HomeAccount | undefined;
}

const DIGITS = /^[0-9]+$/;

/** Who the master is, and what the command line allows. */
export interface Privilege {
  /** It may change identities. */
  readonly isRoot: boolean;
  /** `--allow-to-run-as-root` */
  readonly allowRoot: boolean;
}

/** @throws ConfigError with php-fpm's words for an unknown user or group, and for root */
export function poolAccount(pool: PoolConfig, { isRoot, allowRoot }: Privilege): PoolAccount {
  if (!isRoot) {
    const own = userById(process.getuid?.() ?? 0);
    return { identity: undefined, home: own };
  }
  if (pool.user === undefined || pool.user === '') return accountOfRoot(pool, allowRoot);
  const isNumber = DIGITS.test(pool.user);
  const account = isNumber ? userById(Number(pool.user)) : userByName(pool.user);
  if (account === undefined && !isNumber)
    throw new ConfigError(`[pool ${pool.name}] cannot get uid for user '${pool.user}'`, {
      section: pool.name,
      directive: 'user',
      value: pool.user,
    });
  const uid = account?.uid ?? Number(pool.user);
  // Nothing says the group of a number that nobody has: then it stays the master's, which has to be allowed.
  const gid = groupOf(pool) ?? account?.gid ?? 0;
  if ((uid === 0 || gid === 0) && !allowRoot) throw rootRefused(pool);
  return {
    identity: {
      uid,
      gid,
      groups: account === undefined ? [gid] : groupIdsOfUser(account.name, gid),
      user: pool.user,
    },
    home: isNumber ? undefined : account,
  };
}

/** A pool without a user: root, and at most another group. */
function accountOfRoot(pool: PoolConfig, allowRoot: boolean): PoolAccount {
  if (!allowRoot) throw rootRefused(pool);
  const gid = groupOf(pool);
  const groups = process.getgroups?.() ?? [];
  return {
    identity: gid === undefined ? undefined : { uid: 0, gid, groups, user: 'root' },
    home: userById(0),
  };
}

function rootRefused(pool: PoolConfig): ConfigError {
  return new ConfigError(`[pool ${pool.name}] please specify user and group other than root`);
}

/** What `group` says; undefined where it is not set. */
function groupOf(pool: PoolConfig): number | undefined {
  if (pool.group === undefined || pool.group === '') return undefined;
  if (DIGITS.test(pool.group)) return Number(pool.group);
  const group = groupByName(pool.group);
  if (group === undefined)
    throw new ConfigError(`[pool ${pool.name}] cannot get gid for group '${pool.group}'`, {
      section: pool.name,
      directive: 'group',
      value: pool.group,
    });
  return group.gid;
}
