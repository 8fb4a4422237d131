import type { PoolConfig } from '../config/config.js';
import { octalMode } from '../config/values.js';
import type { Logger } from '../log/levels.js';
import { parseListenAddress } from './address.js';
import type { ListenRequest } from './bind.js';
import { listenRights } from './listen-rights.js';

/**
 * The socket that a pool's `listen` directives ask for.
 *
 * @throws ConfigError for an owner or group that the machine does not know
 */
export function listenRequest(pool: PoolConfig, log: Logger): ListenRequest {
  return { ...socketOptions(pool, pool.listen, log), pool: pool.name, backlog: pool.listenBacklog };
}

/**
 * The socket that `pm.status_listen` asks for: it has the owner, mode and access list of the pool's own.
 *
 * @param name shown in messages
 * @throws ConfigError for an owner or group that the machine does not know
 */
export function statusListenRequest(
  pool: PoolConfig,
  { name, listen }: { readonly name: string; readonly listen: string },
  log: Logger,
): ListenRequest {
  return { ...socketOptions(pool, listen, log), pool: name, backlog: -1 };
}

function socketOptions(
  pool: PoolConfig,
  listen: string,
  log: Logger,
): Pick<ListenRequest, 'listen' | 'mode' | 'rights'> {
  const isFile = parseListenAddress(listen).kind === 'unix';
  return {
    listen,
    mode: octalMode(pool.listenMode ?? '0660'),
    ...(isFile ? { rights: listenRights(pool, log) } : {}),
  };
}
