import { closeSync } from 'node:fs';
import type { Logger } from '../log/levels.js';
import type { Fd } from '../units.js';
import {
  addressKey,
  alreadyUsed,
  bindListenSocket,
  closeListenSocket,
  type ListenRequest,
  type ListenSocket,
  mendListenSocket,
} from './bind.js';
import type { InheritedStock } from './inherited.js';

/**
 * All listening sockets of the master, each at one address and for one pool. In php-fpm two pools that write one
 * address in two ways share a socket silently; here that is an error, as it is in php-fpm for the same text.
 */
export class ListenSockets {
  readonly #byKey = new Map<string, ListenSocket>();
  readonly #byListen = new Map<string, ListenSocket>();
  /** Sockets that were shut down and replaced; their descriptors may still be in use. */
  readonly #replaced = new Set<Fd>();
  readonly #log: Logger;
  readonly #inherited: InheritedStock | undefined;

  /** @param inherited sockets that were bound before this master started */
  constructor(log: Logger, inherited?: InheritedStock) {
    this.#log = log;
    this.#inherited = inherited;
  }

  /** @throws ListenError with the line for the log */
  bind(request: ListenRequest): ListenSocket {
    const sameText = this.#byListen.get(request.listen);
    if (sameText !== undefined) throw alreadyUsed(request.pool, sameText.pool);
    const socket = bindListenSocket(request, {
      log: this.#log,
      poolAt: (key) => this.#byKey.get(key)?.pool,
      inherited: this.#inherited,
    });
    this.#byKey.set(addressKey(socket.address), socket);
    this.#byListen.set(socket.listen, socket);
    return socket;
  }

  /** The socket made from this text of a `listen` directive. */
  byListen(listen: string): ListenSocket | undefined {
    return this.#byListen.get(listen);
  }

  all(): ListenSocket[] {
    return [...this.#byKey.values()];
  }

  /** Closes it and removes its file; does nothing to one that was closed before. */
  close(socket: ListenSocket): void {
    if (this.#byKey.delete(addressKey(socket.address))) {
      this.#byListen.delete(socket.listen);
      closeListenSocket(socket);
    }
  }

  /**
   * Repairs a socket that was shut down: see {@link mendListenSocket}.
   *
   * @returns the one at that address from now on
   * @throws ListenError and all is as before
   */
  mend(socket: ListenSocket, request: ListenRequest): ListenSocket {
    const mended = mendListenSocket(socket, request, this.#log);
    if (mended === socket) return socket;
    this.#replaced.add(socket.fd);
    this.#byKey.set(addressKey(mended.address), mended);
    this.#byListen.set(mended.listen, mended);
    return mended;
  }

  /** Closes the sockets that were replaced, but for those in use. */
  closeReplaced(used: ReadonlySet<Fd> = new Set()): void {
    for (const fd of this.#replaced) {
      if (used.has(fd)) continue;
      this.#replaced.delete(fd);
      closeSync(fd);
    }
  }

  /** @param options.keepsInherited leaves inherited sockets open, and their files in place */
  closeAll({ keepsInherited = false } = {}): void {
    for (const socket of this.all()) if (socket.origin === 'bound' || !keepsInherited) this.close(socket);
    this.closeReplaced();
  }
}
