import type { ListenRequest, ListenSocket } from '../listen/bind.js';
import { ListenError } from '../listen/listen-error.js';
import type { ListenSockets } from '../listen/listen-sockets.js';
import type { Logger } from '../log/levels.js';
import { hungUp } from '../os/poll.js';
import type { Count, Fd, Milliseconds } from '../units.js';

/** What the mender needs of a pool. */
export interface MendedPool {
  readonly config: { readonly name: string; readonly listen: string };
  readonly plan: { readonly listenFd: Fd };
  readonly hasDeadSocket: boolean;
  setDeadSocket(isDead: boolean): void;
  /** @returns why it could not, or undefined */
  moveTo(listenFd: Fd): Promise<string | undefined>;
}

export interface SocketMenderParts<P extends MendedPool> {
  readonly sockets: Pick<ListenSockets, 'byListen' | 'mend'>;
  readonly log: Logger;
  /** The pools of the configuration. */
  readonly pools: () => readonly P[];
  /** @throws ConfigError where its owner or group is unknown by now */
  readonly request: (pool: P) => ListenRequest;
  /** A pool has left a dead socket. */
  readonly onMoved: () => void;
  readonly nowMs: () => Milliseconds;
  /** An exception that nobody foresaw: a mistake of this program. */
  readonly onMistake: (error: unknown) => void;
}

/** How often all sockets are polled; a worker that ends because its socket is dead has it polled at once. */
const CHECK_EVERY_MS: Milliseconds = 1000;
/** Pause after the first attempt; each further one doubles it. */
const FIRST_PAUSE_MS: Milliseconds = 1000;
const LONGEST_PAUSE_MS: Milliseconds = 30_000;
/** A socket that stays alive for so long counts as good: earlier attempts are forgotten. */
const FORGET_AFTER_MS: Milliseconds = 60_000;

/** What was tried for one pool. */
interface Attempts {
  count: Count;
  lastMs: Milliseconds;
  /** It is moving to another socket. */
  isMoving: boolean;
}

/**
 * Finds listening sockets that one of a pool's processes has shut down, and puts them in order: the pool would refuse
 * everybody until a restart. A pool whose processes do that again and again is mended after growing pauses, so that the
 * master stays idle.
 */
export class SocketMender<P extends MendedPool> {
  readonly #parts: SocketMenderParts<P>;
  readonly #attempts = new WeakMap<P, Attempts>();
  #timer: NodeJS.Timeout | undefined;
  #isPaused = false;

  constructor(parts: SocketMenderParts<P>) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => this.check(), CHECK_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A reload begins: every pool gets a new generation, which is to find sockets that listen, whatever was before. */
  pause(): void {
    this.#isPaused = true;
    for (const pool of this.#broken(this.#parts.pools())) this.#mend(pool);
  }

  /** The reload is over. */
  resume(): void {
    this.#isPaused = false;
    this.check();
  }

  /** @param pools whose sockets to check; default all of the configuration */
  check(pools: readonly P[] = this.#parts.pools()): void {
    if (this.#isPaused || this.#timer === undefined) return;
    const broken = new Set(this.#broken(pools));
    for (const pool of broken) {
      pool.setDeadSocket(true);
      this.#try(pool);
    }
    // Mended before a reload that could not renew them.
    for (const pool of pools) if (pool.hasDeadSocket && !broken.has(pool)) pool.setDeadSocket(false);
  }

  #try(pool: P): void {
    const attempts = this.#attemptsOf(pool);
    const nowMs = this.#parts.nowMs();
    if (attempts.isMoving || nowMs < attempts.lastMs + pauseAfter(attempts.count)) return;
    attempts.count++;
    attempts.lastMs = nowMs;
    if (!this.#mend(pool)) return;
    const socket = this.#socketOf(pool);
    if (socket?.fd === pool.plan.listenFd) pool.setDeadSocket(false);
    else if (socket !== undefined) this.#move(pool, socket.fd, attempts).catch(this.#parts.onMistake);
  }

  /** Pools whose socket is dead, or replaced by another one already. */
  #broken(pools: readonly P[]): P[] {
    const current = new Set(this.#parts.pools());
    const candidates = pools.filter((pool) => current.has(pool));
    const dead = new Set(hungUp(candidates.map((pool) => pool.plan.listenFd)));
    return candidates.filter(
      (pool) => dead.has(pool.plan.listenFd) || this.#socketOf(pool)?.fd !== pool.plan.listenFd,
    );
  }

  #socketOf({ config }: P): ListenSocket | undefined {
    return this.#parts.sockets.byListen(config.listen);
  }

  /** @returns whether a socket that works is at the pool's address now */
  #mend(pool: P): boolean {
    const { sockets, log, request } = this.#parts;
    const { name, listen } = pool.config;
    const socket = this.#socketOf(pool);
    if (socket === undefined || hungUp([socket.fd]).length === 0) return socket !== undefined;
    const what = `[pool ${name}] the listening socket '${listen}' was shut down by one of the pool's processes`;
    try {
      const isSame = sockets.mend(socket, request(pool)) === socket;
      log.error(`${what}; ${isSame ? 'it listens again' : 'it was bound anew, for a new generation'}`, {
        pool: name,
      });
      return true;
    } catch (error) {
      const isOurs = error instanceof ListenError;
      if (!(isOurs || (error instanceof Error && 'code' in error))) throw error;
      log.error(`${what}, and cannot be bound anew: ${error.message}; ${this.#nextTry(pool)}`, {
        pool: name,
      });
      return false;
    }
  }

  /** Workers of the present generation hold the dead socket. */
  async #move(pool: P, listenFd: Fd, attempts: Attempts): Promise<void> {
    attempts.isMoving = true;
    const failure = await pool.moveTo(listenFd).finally(() => {
      attempts.isMoving = false;
    });
    const { log, onMoved } = this.#parts;
    const { name } = pool.config;
    if (failure === undefined) onMoved();
    else
      log.error(`[pool ${name}] no new generation for its new socket: ${failure}; ${this.#nextTry(pool)}`, {
        pool: name,
      });
  }

  #nextTry(pool: P): string {
    return `trying again in ${pauseAfter(this.#attemptsOf(pool).count) / 1000} s`;
  }

  #attemptsOf(pool: P): Attempts {
    const there = this.#attempts.get(pool);
    if (there !== undefined && (there.isMoving || this.#parts.nowMs() - there.lastMs < FORGET_AFTER_MS))
      return there;
    const none = { count: 0, lastMs: Number.NEGATIVE_INFINITY, isMoving: false };
    this.#attempts.set(pool, none);
    return none;
  }
}

function pauseAfter(attempts: Count): Milliseconds {
  return attempts === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (attempts - 1), LONGEST_PAUSE_MS);
}
