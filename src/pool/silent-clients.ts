import { queuedUpToLastSpeaker } from '../os/queued-speakers.js';
import type { Count, Fd, Milliseconds } from '../units.js';

/** No event tells that a client in the queue begins to speak: it is looked at, soon at first, then ever more rarely. */
const FIRST_LOOK_MS: Milliseconds = 2;
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

  /** When to look again for one that begins to speak; undefined while there is none that is silent. */
  get lookAgainInMs(): Milliseconds | undefined {
    return this.#pauseMs === 0 ? undefined : this.#pauseMs;
  }

  /**
   * Of those in the queue, how many want a worker.
   *
   * @param queue its length and limit
   * @param workers that are idle or starting; all; and how many there may be
   */
  wanting(
    queue: { readonly length: Count; readonly limit: Count },
    workers: { readonly free: Count; readonly all: Count; readonly most: Count },
  ): Count {
    // The usual case costs nothing: whoever is free takes them, whatever they send. And a queue that is about to be full
    // of silent clients would keep out the others.
    const mayGrow = queue.length > workers.free && workers.all < workers.most;
    const matters = mayGrow && 2 * queue.length < queue.limit;
    const spoken = matters ? (this.#upToLastSpeaker(this.#listenFd) ?? queue.length) : queue.length;
    if (spoken >= queue.length) {
      this.#pauseMs = 0;
      return queue.length;
    }
    this.#pauseMs = this.#pauseMs === 0 ? FIRST_LOOK_MS : Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    // Somebody has to take them off the queue, one after the other.
    return spoken === 0 && workers.all === 0 ? 1 : spoken;
  }
}
