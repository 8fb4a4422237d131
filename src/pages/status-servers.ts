import type { PoolConfig } from '../config/config.js';
import type { ListenSocket } from '../listen/bind.js';
import { statusListenRequest } from '../listen/listen-request.js';
import type { ListenSockets } from '../listen/listen-sockets.js';
import type { Logger } from '../log/levels.js';
import type { Pool } from '../pool/pool.js';
import { StatusListener } from './status-listener.js';

interface StatusServer {
  readonly socket: ListenSocket;
  readonly listener: StatusListener;
}

/** `pm.status_listen` of all pools. */
export class StatusServers {
  readonly #sockets: ListenSockets;
  readonly #log: Logger;
  readonly #byPool = new Map<string, StatusServer>();

  constructor(sockets: ListenSockets, log: Logger) {
    this.#sockets = sockets;
    this.#log = log;
  }

  /** Texts of the `pm.status_listen` that are open. */
  listens(): string[] {
    return [...this.#byPool.values()].map(({ socket }) => socket.listen);
  }

  /**
   * Goes over to what a pool's configuration asks for. A socket that stays the same is not touched.
   *
   * @throws ListenError, ConfigError, SystemError; then the pool has none
   */
  open(config: PoolConfig, pool: Pool): void {
    const there = this.#byPool.get(config.name);
    if (there !== undefined && there.socket.listen === config.pmStatusListen) return;
    this.#close(config.name);
    if (!config.pmStatusListen) return;
    const name = `${config.name}_status`;
    const socket = this.#sockets.bind(
      statusListenRequest(config, { name, listen: config.pmStatusListen }, this.#log),
    );
    const onFailure = ({ message }: Error) => {
      this.#log.error(`[pool ${name}] ${message}; trying again at the next reload`);
      this.#close(config.name);
    };
    try {
      this.#byPool.set(config.name, { socket, listener: new StatusListener(pool, socket, onFailure) });
    } catch (error) {
      this.#sockets.close(socket);
      throw error;
    }
  }

  /** Closes those of pools that are not in the configuration any more. */
  keep(isThere: (pool: string) => boolean): void {
    for (const name of this.#byPool.keys()) if (!isThere(name)) this.#close(name);
  }

  /** Answers nobody any more; the sockets stay, for {@link ListenSockets.closeAll}. */
  stop(): void {
    for (const { listener } of this.#byPool.values()) listener.close();
  }

  #close(name: string): void {
    const there = this.#byPool.get(name);
    if (there === undefined) return;
    there.listener.close();
    this.#sockets.close(there.socket);
    this.#byPool.delete(name);
  }
}
