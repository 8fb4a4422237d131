import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { errorText } from '../errors.js';
import type { Fd, Milliseconds } from '../units.js';
import {
  controlEpoll,
  createEpoll,
  createEventCounter,
  EPOLLET,
  EPOLLIN,
  raiseEventCounter,
} from './epoll.js';
import { hasCode } from './libc.js';
import { isReadable } from './poll.js';

/** The thread runs one loop and needs little memory. */
const THREAD_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };

/** How often sockets are polled while there is no thread, and how often another thread is tried. */
const POLL_EVERY_MS: Milliseconds = 50;
const RETRY_AFTER_MS: Milliseconds = 1000;
/** How long the end of the thread is waited for; it returns from its wait at least once a second. */
const END_PATIENCE_MS: Milliseconds = 2000;

interface Thread {
  readonly worker: Worker;
  readonly epollFd: Fd;
  readonly stopFd: Fd;
  readonly ended: Promise<void>;
}

/**
 * Tells of connections that arrive at listening sockets, without accepting them: Node has no way to wait for that.
 * One thread serves all sockets; it starts with the first. Where no thread can be had, a timer polls the sockets until
 * one can.
 *
 * @see epoll(7), edge-triggered
 */
export class Arrivals {
  readonly #onArrivalByFd = new Map<Fd, () => void>();
  readonly #onTrouble: (reason: string) => void;
  /** Sockets that the thread does not know yet, and the timer polls. */
  readonly #polled = new Set<Fd>();
  #thread: Thread | undefined;
  #pollTimer: NodeJS.Timeout | undefined;
  #triedAtMs: Milliseconds = Number.NEGATIVE_INFINITY;
  #isTroubled = false;
  #isClosed = false;

  /** @param onTrouble told why the timer takes the place of the thread, once until there is a thread again */
  constructor(onTrouble: (reason: string) => void = () => {}) {
    this.#onTrouble = onTrouble;
  }

  /** `onArrival` is called soon if somebody waits already, and then whenever somebody arrives. Never throws. */
  watch(fd: Fd, onArrival: () => void): void {
    if (this.#onArrivalByFd.has(fd)) return;
    this.#onArrivalByFd.set(fd, onArrival);
    this.#polled.add(fd);
    // While the timer runs, it tries to start a thread.
    if (this.#pollTimer === undefined) this.#passOn();
  }

  unwatch(fd: Fd): void {
    if (!this.#onArrivalByFd.delete(fd) || this.#polled.delete(fd) || this.#thread === undefined) return;
    try {
      controlEpoll(this.#thread.epollFd, 'remove', fd);
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'EBADF')) throw error; // closed before: it left the set by that
    }
  }

  /** @returns when the thread has ended */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#pollTimer);
    this.#onArrivalByFd.clear();
    this.#polled.clear();
    if (this.#thread === undefined) return;
    const { worker, stopFd, ended } = this.#thread;
    raiseEventCounter(stopFd);
    const timer = setTimeout(() => void worker.terminate(), END_PATIENCE_MS);
    await ended;
    clearTimeout(timer);
  }

  /** Gives the thread the sockets that it does not know; while that fails, the timer polls them. */
  #passOn(): void {
    this.#triedAtMs = performance.now();
    try {
      this.#thread ??= this.#newThread();
      for (const fd of this.#polled) {
        controlEpoll(this.#thread.epollFd, 'add', fd, EPOLLIN | EPOLLET);
        this.#polled.delete(fd);
      }
      clearInterval(this.#pollTimer);
      this.#pollTimer = undefined;
    } catch (error) {
      this.#fallBack(errorText(error));
    }
  }

  #fallBack(reason: string): void {
    if (this.#pollTimer !== undefined || this.#isClosed) return;
    if (!this.#isTroubled) this.#onTrouble(reason);
    this.#isTroubled = true;
    this.#pollTimer = setInterval(() => this.#poll(), POLL_EVERY_MS);
  }

  #poll(): void {
    if (performance.now() - this.#triedAtMs >= RETRY_AFTER_MS) this.#passOn();
    for (const fd of [...this.#polled]) if (isReadable(fd)) this.#onArrivalByFd.get(fd)?.();
  }

  /** @throws SystemError, or Node's own where there can be no thread */
  #newThread(): Thread {
    const fds: Fd[] = [];
    try {
      const epollFd = createEpoll();
      fds.push(epollFd);
      const stopFd = createEventCounter();
      fds.push(stopFd);
      controlEpoll(epollFd, 'add', stopFd, EPOLLIN);
      const worker = new Worker(new URL('./arrivals-thread.js', import.meta.url), {
        workerData: { epollFd, stopFd },
        resourceLimits: THREAD_LIMITS,
        execArgv: [],
      });
      worker.on('message', (ready: Fd[]) => {
        this.#isTroubled = false;
        for (const fd of ready) this.#onArrivalByFd.get(fd)?.();
      });
      let reason = 'it has ended';
      // A thread may fail some time after it was made: to read its program it needs a descriptor.
      worker.on('error', (error) => {
        reason = error.message;
      });
      const ended = new Promise((resolve) => worker.once('exit', resolve)).then(() => {
        for (const fd of fds) closeSync(fd);
        this.#thread = undefined;
        for (const fd of this.#onArrivalByFd.keys()) this.#polled.add(fd);
        this.#fallBack(reason);
      });
      return { worker, epollFd, stopFd, ended };
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      throw error;
    }
  }
}
