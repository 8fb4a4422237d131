import type { Socket } from 'node:net';
import type { Count } from '../units.js';

/**
 * Bounds the connections of one server. A new connection is never refused: instead, the one that has been silent
 * longest is closed, so that silent connections, however many, keep nobody out.
 */
export class ConnectionLimit {
  readonly #most: Count;
  /** Connections without a request so far, oldest first. */
  readonly #silent = new Set<Socket>();
  /** Connections that had a request, in the order of their last ones. */
  readonly #served = new Set<Socket>();

  /** @param most at once, 1 at least */
  constructor(most: Count) {
    this.#most = most;
  }

  admit(socket: Socket): void {
    if (this.#silent.size + this.#served.size >= this.#most) this.#makeRoom();
    this.#silent.add(socket);
    socket.once('close', () => this.#forget(socket));
  }

  /** The connection has sent a whole request. */
  hasAsked(socket: Socket): void {
    if (!this.#forget(socket)) return; // closed to make room
    this.#served.add(socket);
  }

  destroyAll(): void {
    for (const socket of [...this.#silent, ...this.#served]) socket.destroy();
  }

  #makeRoom(): void {
    const { value: oldest } = (this.#silent.size > 0 ? this.#silent : this.#served).values().next();
    if (oldest === undefined) return;
    this.#forget(oldest);
    oldest.destroy();
  }

  #forget(socket: Socket): boolean {
    return this.#silent.delete(socket) || this.#served.delete(socket);
  }
}
