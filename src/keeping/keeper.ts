import { closeSync, readSync, writeSync } from 'node:fs';
import { errorText } from '../errors.js';
import { openPacketPair } from '../os/descriptor-passing.js';
import { createMemoryFile } from '../os/memory-file.js';
import { readUInt32, readUInt64 } from '../os/native-integers.js';
import { isReadable } from '../os/poll.js';
import { unreadBytes } from '../os/unread-bytes.js';
import type { Count, Fd, Milliseconds } from '../units.js';
import { type KeeperProcess, type KeeperUser, startKeeper } from './keeper-process.js';
import { HAND_OVER_SIZE, PAGE_FIELDS, PAGE_SIZE, PAGE_USED } from './layout.js';

/** A keeper that ended sooner than this after its start is not started again at once, but after {@link PAUSE_MS}. */
const SETTLED_AFTER_MS: Milliseconds = 10_000;
const PAUSE_MS: Milliseconds = 1000;
/** How long workers may take what is ready, at the end. */
const FINISH_PATIENCE_MS: Milliseconds = 1000;
const CHECK_EVERY_MS: Milliseconds = 5;

/** Claims of a process of the pool's user; no more than it can have. */
export interface KeeperCounts {
  /** Connections between two requests. */
  readonly idle: Count;
  /** Those whose next request waits for a worker. */
  readonly ready: Count;
  /** Idle connections that were closed for want of descriptors, in all. */
  readonly closed: Count;
}

export interface KeeperParts {
  readonly pool: string;
  readonly user: KeeperUser | undefined;
  readonly nowMs: () => Milliseconds;
  readonly warn: (text: string) => void;
  /** Whether it takes connections now. */
  readonly onChange: (takes: boolean) => void;
}

/** More connections than a process has descriptors: a claim that cannot be true. */
const MOST_CONNECTIONS: Count = 1_048_576;

/**
 * The keeper of a pool in the master's hands: the socket pair between it and the workers, which outlives it, and its
 * process. Nothing is ever received from the pair here: a tenant's descriptors never come to the master.
 */
export class Keeper {
  /** The workers' end. */
  readonly workersFd: Fd;
  readonly user: KeeperUser | undefined;
  readonly #keeperFd: Fd;
  readonly #pageFd: Fd;
  readonly #parts: KeeperParts;
  readonly #page = Buffer.alloc(PAGE_USED);
  #process: KeeperProcess | undefined;
  #startedAtMs: Milliseconds = 0;
  #timer: NodeJS.Timeout | undefined;
  #isWanted = true;
  #isClosed = false;
  #toldReason = '';
  #onIdle: () => void = () => {};

  /** @throws SystemError EMFILE, ENFILE, ENOMEM */
  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.user = parts.user;
    this.#pageFd = createMemoryFile('tsfpm keeper', PAGE_SIZE);
    try {
      [this.#keeperFd, this.workersFd] = openPacketPair();
    } catch (error) {
      closeSync(this.#pageFd);
      throw error;
    }
    this.#start();
  }

  get counts(): KeeperCounts {
    if (this.#isClosed) return { idle: 0, ready: 0, closed: 0 };
    readSync(this.#pageFd, this.#page, 0, this.#page.length, 0);
    const waiting = Math.floor(unreadBytes(this.workersFd) / HAND_OVER_SIZE);
    const bounded = (count: number) => Math.min(count, MOST_CONNECTIONS);
    return {
      idle: bounded(readUInt32(this.#page, PAGE_FIELDS.held)),
      ready: bounded(readUInt32(this.#page, PAGE_FIELDS.ready) + waiting),
      closed: Number(readUInt64(this.#page, PAGE_FIELDS.closed)),
    };
  }

  /** It takes connections. */
  get takes(): boolean {
    return this.#isWanted && this.#process !== undefined;
  }

  /**
   * Ends the process: idle connections are closed, and those with a request are served while there are workers. The
   * pair stays.
   *
   * @returns when that is done, or after a second
   */
  async finish(): Promise<void> {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    this.#parts.onChange(false);
    this.#process?.finish();
    const deadlineMs = this.#parts.nowMs() + FINISH_PATIENCE_MS;
    while (this.#isBusy && this.#parts.nowMs() < deadlineMs)
      await new Promise((resolve) => setTimeout(resolve, CHECK_EVERY_MS));
    this.#process?.kill();
  }

  /** After {@link finish}: what was to end goes on. */
  resume(): void {
    if (this.#isWanted || this.#isClosed) return;
    this.#isWanted = true;
    if (this.#process === undefined) this.#start();
  }

  /** Ends it at once, and closes the pair: connections that are under way in it are closed by that. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isWanted = false;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#process?.kill();
    for (const fd of [this.#keeperFd, this.workersFd, this.#pageFd]) closeSync(fd);
    if (this.#process !== undefined)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
  }

  get #isBusy(): boolean {
    return !this.#isClosed && (this.#process !== undefined || isReadable(this.workersFd));
  }

  #start(): void {
    try {
      writeSync(this.#pageFd, Buffer.alloc(PAGE_FIELDS.closed), 0, PAGE_FIELDS.closed, 0);
      const { pool, user } = this.#parts;
      const order = { pool, user, socketFd: this.#keeperFd, pageFd: this.#pageFd };
      this.#process = startKeeper(order, (how) => this.#onEnd(how));
      this.#startedAtMs = this.#parts.nowMs();
      this.#parts.onChange(true);
    } catch (error) {
      this.#startLater(`the keeper of kept connections cannot be started: ${errorText(error)}`);
    }
  }

  #onEnd(how: string): void {
    const pid = this.#process?.pid;
    const { idle } = this.counts;
    this.#process = undefined;
    this.#onIdle();
    if (!this.#isWanted) return;
    this.#parts.onChange(false);
    const text = `keeper ${pid} of kept connections ${how}; ${idle} idle connection(s) closed`;
    if (this.#parts.nowMs() - this.#startedAtMs < SETTLED_AFTER_MS) {
      this.#startLater(text);
      return;
    }
    this.#toldReason = '';
    this.#parts.warn(`${text}; starting another`);
    this.#start();
  }

  /** Told once, until it has run for some time. */
  #startLater(text: string): void {
    if (this.#toldReason === '') this.#parts.warn(`${text}; starting another in ${PAUSE_MS / 1000} s`);
    this.#toldReason = text;
    this.#timer = setTimeout(() => this.#start(), PAUSE_MS).unref();
  }
}
