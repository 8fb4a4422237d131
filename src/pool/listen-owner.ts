import type { PoolConfig } from '../config/config.js';
import { ConfigError } from '../errors.js';
import { groupByName, userById, userByName } from '../os/accounts.js';

const DIGITS = /^[0-9]+$/;

/**
 * Whom a unix socket belongs to; a name that is not given leaves the master's own. As under php-fpm, naming an owner
 * also sets that user's primary group.
 *
 * @throws ConfigError with php-fpm's words for a name that the machine does not know
 */
export function listenOwner(pool: PoolConfig): { uid?: number; gid?: number } {
  const owner = pool.listenOwner || undefined;
  const group = pool.listenGroup || undefined;
  const account =
    owner === undefined ? undefined : DIGITS.test(owner) ? userById(Number(owner)) : userByName(owner);
  if (owner !== undefined && account === undefined && !DIGITS.test(owner))
    throw new ConfigError(`[pool ${pool.name}] cannot get uid for user '${owner}': Success (0)`);
  const uid = owner === undefined ? undefined : (account?.uid ?? Number(owner));
  const gid = group === undefined ? account?.gid : groupId(pool, group);
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}

function groupId(pool: PoolConfig, group: string): number {
  if (DIGITS.test(group)) return Number(group);
  const found = groupByName(group);
  if (found === undefined)
    throw new ConfigError(`[pool ${pool.name}] cannot get gid for group '${group}': Success (0)`);
  return found.gid;
}
