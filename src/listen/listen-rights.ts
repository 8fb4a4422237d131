import type { PoolConfig } from '../config/config.js';
import { ConfigError } from '../errors.js';
import type { Logger } from '../log/levels.js';
import { groupByName, userByName } from '../os/accounts.js';
import type { SocketRights } from './socket-file.js';

const DIGITS = /^[0-9]+$/;

/**
 * Owner and group of a unix socket, or its access list; without a name it keeps the master's own user and group.
 * Naming an owner also sets that user's primary group, and a list takes the place of both, as with php-fpm.
 *
 * @param log gets a line for a directive that an access list overrides
 * @throws ConfigError with php-fpm's words for a name that the machine does not know
 */
export function listenRights(pool: PoolConfig, log: Logger): SocketRights {
  const users = pool.listenAclUsers || undefined;
  const groups = pool.listenAclGroups || undefined;
  if (users === undefined && groups === undefined) return listenOwner(pool);
  const about = { pool: pool.name };
  const acl = {
    users: names(users).map((user) => {
      const uid = userByName(user)?.uid ?? unknownUser(pool, user);
      log.debug(`[pool ${pool.name}] user '${user}' have uid=${uid}`, about);
      return uid;
    }),
    groups: names(groups).map((group) => {
      const gid = groupByName(group)?.gid ?? unknownGroup(pool, group);
      log.debug(`[pool ${pool.name}] group '${group}' have gid=${gid}`, about);
      return gid;
    }),
  };
  for (const [name, value] of [
    ['listen.owner', pool.listenOwner],
    ['listen.group', pool.listenGroup],
  ])
    if (value) log.warning(`[pool ${pool.name}] ACL set, ${name} = '${value}' is ignored`, about);
  return { acl };
}

/** Names alone, no numbers, and blanks count. */
function names(list: string | undefined): string[] {
  return list?.split(',') ?? [];
}

function listenOwner(pool: PoolConfig): SocketRights {
  const owner = pool.listenOwner || undefined;
  const group = pool.listenGroup || undefined;
  const account =
    owner === undefined || DIGITS.test(owner) ? undefined : (userByName(owner) ?? unknownUser(pool, owner));
  const uid = owner === undefined ? undefined : (account?.uid ?? Number(owner));
  const gid = group === undefined ? account?.gid : groupId(pool, group);
  return { uid, gid };
}

function groupId(pool: PoolConfig, group: string): number {
  return DIGITS.test(group) ? Number(group) : (groupByName(group)?.gid ?? unknownGroup(pool, group));
}

/** php-fpm appends errno where the lookup set none. */
function unknownUser(pool: PoolConfig, user: string): never {
  throw new ConfigError(`[pool ${pool.name}] cannot get uid for user '${user}': Success (0)`);
}

function unknownGroup(pool: PoolConfig, group: string): never {
  throw new ConfigError(`[pool ${pool.name}] cannot get gid for group '${group}': Success (0)`);
}
