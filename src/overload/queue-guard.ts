import { closeSync } from 'node:fs';
import type { PoolConfig } from '../config/config.js';
import type { RequestHead } from '../fastcgi/request-reader.js';
import type { Logger } from '../log/levels.js';
import { type AcceptedClient, acceptWaiting } from '../os/accept.js';
import { listenQueue } from '../os/listen-queue.js';
import { isReadable } from '../os/poll.js';
import { queuedClients } from '../os/queued-clients.js';
import type { SocketAddress } from '../os/socket-address.js';
import type { Count, Fd, Milliseconds } from '../units.js';
import { allowedClients } from './allowed-clients.js';
import { beginText, type Episode, endText, isOver, prolong, type Reason } from './episode.js';
import {
  NOBODY,
  type Overdue,
  overdue,
  pauseMs,
  type QueueLimits,
  restMs,
  type SeenSince,
} from './overdue.js';
import { type PageQuestion, pageQuestion } from './page-question.js';
import { refusal, retryAfterS } from './refusal.js';
import { turnAway } from './turned-away.js';

/** What a pool's guard works with. */
export interface QueueGuardParts {
  readonly pool: string;
  readonly log: Logger;
  readonly nowMs: () => Milliseconds;
  /** The CGI answer to a request for a page of the pool; undefined where there can be none now. */
  readonly page: (question: PageQuestion) => Uint8Array | undefined;
  readonly onRefused: (reason: Reason) => void;
  /** A client had left before it was answered, or never sent a request. */
  readonly onGone: () => void;
}

const NO_LIMITS: QueueLimits = { timeoutMs: 0, most: 0 };
/** Answered in one turn of the event loop: signals, workers and other pools must not wait for more than some ms. */
const MOST_AT_ONCE: Count = 16;
/** The same for pages, which take more time; beyond them such a request is refused as any other. */
const MOST_PAGES: Count = 2;
/** How long what the kernel has said is acted upon: with thousands of clients the question takes some ms. */
const LOOK_HOLDS_MS: Milliseconds = 10;

/** What is still to be done after a look. */
type Found = Pick<Overdue, 'late' | 'surplus'> & { readonly atMs: Milliseconds };
const NOBODY_FOUND: Found = { late: 0, surplus: 0, atMs: 0 };

function countOf({ late, surplus }: Found): Count {
  return Math.max(late, surplus);
}

/**
 * `queue.timeout` and `queue.max`: answers the clients of a listen queue that nobody serves in time, in the workers'
 * stead, those that have waited longest first. It looks at the queue only while somebody waits, which the scaler tells.
 *
 * What the kernel says of the queue and the accepting are two steps: where workers take late clients in between, as
 * many of those right behind them are answered instead: as many as workers accept in ten milliseconds.
 */
export class QueueGuard {
  readonly #parts: QueueGuardParts;
  #limits = NO_LIMITS;
  #config: Pick<PoolConfig, 'pingPath' | 'pmStatusPath'> | undefined;
  #listenFd: Fd = -1;
  #isAllowed: (client: SocketAddress | undefined) => boolean = () => true;
  #seenSince: SeenSince = NOBODY;
  #found = NOBODY_FOUND;
  #timer: NodeJS.Timeout | undefined;
  #episode: Episode | undefined;
  #pagesLeft: Count = MOST_PAGES;

  constructor(parts: QueueGuardParts) {
    this.#parts = parts;
  }

  /** What the configuration wants of it, and the socket; who waits there is remembered unless the socket is another. */
  adopt(config: PoolConfig, listenFd: Fd): void {
    if (listenFd !== this.#listenFd) this.#forget();
    this.#listenFd = listenFd;
    this.#config = config;
    this.#limits = { timeoutMs: config.queueTimeout * 1000, most: config.queueMax };
    this.#isAllowed = allowedClients(config.listenAllowedClients);
    if (!this.#isWanted) this.stop();
  }

  /** How often the queue is to be polled for a first client that waits; undefined where the pool sets no limit. */
  get pollEveryMs(): Milliseconds | undefined {
    return this.#isWanted ? pauseMs(this.#limits, 0) : undefined;
  }

  /** Somebody waits in the queue. */
  onWaiting(): void {
    if (this.#isWanted && this.#timer === undefined) this.#look();
  }

  /** The socket may be closed from here on; who has been accepted is answered all the same. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#forget();
    this.#limits = NO_LIMITS;
    this.#endEpisode();
  }

  get #isWanted(): boolean {
    return this.#limits.timeoutMs > 0 || this.#limits.most > 0;
  }

  #forget(): void {
    this.#seenSince = NOBODY;
    this.#found = NOBODY_FOUND;
  }

  #look(): void {
    const startMs = this.#parts.nowMs();
    const isSomebodyThere = isReadable(this.#listenFd);
    const left = isSomebodyThere ? this.#turnAwayLate(startMs) : 0;
    if (!isSomebodyThere) this.#forget();
    if (this.#episode !== undefined && isOver(this.#episode, this.#limits, startMs)) this.#endEpisode();
    this.#timer = undefined;
    if (!isSomebodyThere && this.#episode === undefined) return;
    const tookMs = this.#parts.nowMs() - startMs;
    this.#timer = setTimeout(() => this.#look(), left > 0 ? restMs(tookMs) : pauseMs(this.#limits, tookMs));
  }

  /** @returns how many are still to be turned away, in another turn */
  #turnAwayLate(nowMs: Milliseconds): Count {
    if (countOf(this.#found) === 0 || nowMs - this.#found.atMs > LOOK_HOLDS_MS)
      this.#found = this.#find(nowMs);
    const { late, surplus, atMs } = this.#found;
    const wanted = Math.min(countOf(this.#found), MOST_AT_ONCE);
    if (wanted === 0) return 0;
    this.#pagesLeft = MOST_PAGES;
    const accepted = acceptWaiting(this.#listenFd, wanted);
    for (const [index, client] of accepted.entries())
      this.#turnAway(client, index < late ? 'timeout' : 'max');
    const { length } = accepted;
    this.#found =
      length < wanted
        ? NOBODY_FOUND
        : { late: Math.max(0, late - length), surplus: Math.max(0, surplus - length), atMs };
    return countOf(this.#found);
  }

  #find(nowMs: Milliseconds): Found {
    const { late, surplus, seenSince } = overdue(this.#limits, this.#snapshot(), nowMs, this.#seenSince);
    this.#seenSince = seenSince;
    return { late, surplus, atMs: nowMs };
  }

  #turnAway(client: AcceptedClient, reason: Reason): void {
    if (!this.#isAllowed(client.address)) closeSync(client.fd);
    else
      turnAway(client, {
        pageFor: (request) => this.#pageFor(request, reason),
        onGone: () => this.#note(reason, 'gone'),
      });
  }

  #snapshot() {
    const clients = this.#limits.timeoutMs > 0 ? queuedClients(this.#listenFd) : undefined;
    if (clients !== undefined) return clients;
    // Only how many there are counts, or is known.
    const { length } = listenQueue(this.#listenFd);
    return { clients: new Array<undefined>(length).fill(undefined), isOldestFirst: true };
  }

  #pageFor(request: RequestHead | undefined, reason: Reason): Uint8Array {
    const question = request && this.#config && pageQuestion(this.#config, request.params);
    const page = question && this.#pagesLeft-- > 0 ? this.#parts.page(question) : undefined;
    if (page !== undefined) return page;
    const retryAfter = retryAfterS(this.#limits.timeoutMs);
    this.#note(reason, 'refused');
    return refusal(retryAfter);
  }

  #note(reason: Reason, outcome: 'refused' | 'gone'): void {
    const { onRefused, onGone, nowMs } = this.#parts;
    if (outcome === 'refused') onRefused(reason);
    else onGone();
    if (!this.#isWanted) return; // stopped meanwhile, and its episode is over
    if (this.#episode === undefined) this.#tell('warning', beginText(reason, this.#limits));
    this.#episode = prolong(this.#episode, outcome, nowMs());
  }

  #endEpisode(): void {
    if (this.#episode === undefined) return;
    this.#tell('notice', endText(this.#episode));
    this.#episode = undefined;
  }

  #tell(level: 'warning' | 'notice', text: string): void {
    const { log, pool } = this.#parts;
    log[level](`[pool ${pool}] ${text}`, { pool });
  }
}
