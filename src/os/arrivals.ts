import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Fd } from '../units.js';
import {
  controlEpoll,
  createEpoll,
  createEventCounter,
  EPOLLET,
  EPOLLIN,
  raiseEventCounter,
} from './epoll.js';
import { hasCode } from './libc.js';

/** The thread needs no heap to speak of: it runs one loop. */
const THREAD_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };

/**
 * Tells of connections that arrive at listening sockets, without accepting them: Node has no way to wait for that.
 * One thread for all sockets; it starts with the first.
 *
 * @see epoll(7), edge-triggered
 */
export class Arrivals {
  readonly #onArrivalByFd = new Map<Fd, () => void>();
  #thread: Worker | undefined;
  #epollFd: Fd | undefined;
  #stopFd: Fd | undefined;

  /** `onArrival` is called soon if somebody waits already, and then whenever somebody arrives. */
  watch(fd: Fd, onArrival: () => void): void {
    if (this.#onArrivalByFd.has(fd)) return;
    this.#start();
    this.#onArrivalByFd.set(fd, onArrival);
    if (this.#epollFd !== undefined) controlEpoll(this.#epollFd, 'add', fd, EPOLLIN | EPOLLET);
  }

  unwatch(fd: Fd): void {
    if (!this.#onArrivalByFd.delete(fd) || this.#epollFd === undefined) return;
    try {
      controlEpoll(this.#epollFd, 'remove', fd);
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'EBADF')) throw error; // closed before: it left the set by that
    }
  }

  /** @returns when the thread has ended */
  async close(): Promise<void> {
    if (this.#thread === undefined || this.#stopFd === undefined || this.#epollFd === undefined) return;
    const ended = new Promise((resolve) => this.#thread?.once('exit', resolve));
    raiseEventCounter(this.#stopFd);
    await ended;
    closeSync(this.#epollFd);
    closeSync(this.#stopFd);
    this.#thread = this.#epollFd = this.#stopFd = undefined;
    this.#onArrivalByFd.clear();
  }

  #start(): void {
    if (this.#thread !== undefined) return;
    this.#epollFd = createEpoll();
    this.#stopFd = createEventCounter();
    controlEpoll(this.#epollFd, 'add', this.#stopFd, EPOLLIN);
    this.#thread = new Worker(new URL('./arrivals-thread.js', import.meta.url), {
      workerData: { epollFd: this.#epollFd, stopFd: this.#stopFd },
      resourceLimits: THREAD_LIMITS,
      execArgv: [],
    });
    this.#thread.on('message', (ready: Fd[]) => {
      for (const fd of ready) this.#onArrivalByFd.get(fd)?.();
    });
  }
}
