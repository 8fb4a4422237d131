import type { PoolConfig } from '../config/config.js';
import { ConfigError } from '../errors.js';
import { groupByName, groupIdsOfUser, type UserAccount, userById, userByName } from '../os/accounts.js';
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

/**
 * @param isRoot whether the master may change identities
 * @throws ConfigError with php-fpm's words for an unknown user or group
 */
export function poolAccount(pool: PoolConfig, isRoot: boolean): PoolAccount {
  if (!isRoot) {
    const own = userById(process.getuid?.() ?? 0);
    return { identity: undefined, home: own };
  }
  if (pool.user === undefined || pool.user === '') {
    // Only with --allow-to-run-as-root: the workers stay root.
    return { identity: undefined, home: userById(0) };
  }
  const isNumber = DIGITS.test(pool.user);
  const account = isNumber ? userById(Number(pool.user)) : userByName(pool.user);
  if (account === undefined && !isNumber)
    throw new ConfigError(`[pool ${pool.name}] cannot get uid for user '${pool.user}'`, {
      section: pool.name,
      directive: 'user',
      value: pool.user,
    });
  const uid = account?.uid ?? Number(pool.user);
  const gid = groupOf(pool, account, uid);
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

function groupOf(pool: PoolConfig, account: UserAccount | undefined, uid: number): number {
  if (pool.group === undefined || pool.group === '') return account?.gid ?? uid;
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
