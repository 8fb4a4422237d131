import { queuedUpToLastSpeaker } from '../os/queued-speakers.js';
import type { Count, Fd, Milliseconds } from '../units.js';

/** No event tells that a client in the queue has sent something: it is polled, soon at first, then ever more rarely. */
const FIRST_POLL_MS: Milliseconds = 2;
const LONGEST_PAUSE_MS: Milliseconds = 100;

/**
 * Clients in a pool's listen queue that have sent nothing, such as those of a port scan or a probe that only connects.
 * Each takes a worker for as long as php-cgi waits for it: nothing is forked for them, unless somebody behind them has
 * sent a request.
 */
export class SilentClients {
  readonly #listenFd: Fd;
  readonly #upToLastSpeaker: (listenFd: Fd) => Count | undefined;
  #pauseMs: Milliseconds = 0;

  constructor(listenFd: Fd, upToLastSpeaker = queuedUpToLastSpeaker) {
    this.#listenFd = listenFd;
    this.#upToLastSpeaker = upToLastSpeaker;
  }

  /** When to poll again, since a silent client may have sent something; undefined while none is silent. */
  get pollAgainInMs(): Milliseconds | undefined {
    return this.#pauseMs === 0 ? undefined : this.#pauseMs;
  }

  /**
   * How many of the clients in the queue want a worker.
   *
   * @param queue its length and limit
   * @param workers that are idle or starting; all; and how many there may be
   */
  wanting(
    queue: { readonly length: Count; readonly limit: Count },
    workers: { readonly free: Count; readonly all: Count; readonly most: Count },
  ): Count {
    // The usual case costs nothing: workers that are free take every client, whatever it sends. Where the queue is
    // about to be full, silent clients count as well, since they keep out the others.
    const mayGrow = queue.length > workers.free && workers.all < workers.most;
    const matters = mayGrow && 2 * queue.length < queue.limit;
    const spoken = matters ? (this.#upToLastSpeaker(this.#listenFd) ?? queue.length) : queue.length;
    if (spoken >= queue.length) {
      this.#pauseMs = 0;
      return queue.length;
    }
    this.#pauseMs = this.#pauseMs === 0 ? FIRST_POLL_MS : Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    // One worker has to take them off the queue, one after the other.
    return spoken === 0 && workers.all === 0 ? 1 : spoken;
  }
}
