import { Keeper, type KeeperCounts } from '../keeping/keeper.js';
import type { MasterLog } from '../log/master-log.js';
import { failureText } from '../os/libc.js';
import type { Fd, Milliseconds } from '../units.js';
import type { Identity } from '../zygote/identity.js';
import type { Generation } from './generation.js';

export interface KeptConnectionsParts {
  readonly pool: string;
  readonly log: MasterLog;
  readonly nowMs: () => Milliseconds;
  /** Those that have not ended. */
  readonly generations: () => Iterable<Generation>;
  /** Connections may be ready from now on. */
  readonly onKeeper: () => void;
}

const NOTHING_KEPT: KeeperCounts = { idle: 0, ready: 0, closed: 0 };
const RETRY_AFTER_MS: Milliseconds = 1000;

/**
 * The kept connections of a pool that no worker holds. There is no keeper until a worker has a connection that its
 * client keeps; from then on there is one, across generations, until the pool ends or has another user.
 */
export class KeptConnections {
  readonly #parts: KeptConnectionsParts;
  #keeper: Keeper | undefined;
  /** Generations whose workers have the other end of its socket pair. */
  #users: Set<Generation> = new Set();
  /** The generation that serves, and whom its workers are. */
  #serving: Generation | undefined;
  #user: Identity | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(parts: KeptConnectionsParts) {
    this.#parts = parts;
  }

  get counts(): KeeperCounts {
    return this.#keeper?.counts ?? NOTHING_KEPT;
  }

  /** There is a keeper, or was one. */
  get hasKeeper(): boolean {
    return this.#keeper !== undefined;
  }

  /** Readable while a connection waits whose next request has arrived; undefined without a keeper. */
  get readyFd(): Fd | undefined {
    return this.#keeper?.workersFd;
  }

  /**
   * Before that generation's first worker is forked for clients: it takes connections from the keeper as well.
   *
   * @returns when what a keeper of another user held is served or closed, at once where there is none
   */
  serve(generation: Generation, user: Identity | undefined): Promise<void> {
    this.#serving = generation;
    this.#user = user;
    const former = this.#keeper;
    if (former === undefined) return Promise.resolve();
    if (isSameUser(former.user, user)) {
      this.#use(former);
      return Promise.resolve();
    }
    const finished = former.finish().then(() => former.close());
    this.#keeper = undefined;
    this.#users = new Set();
    this.want();
    return finished;
  }

  /** A client keeps its connection. Never throws. */
  want(): void {
    if (this.#keeper !== undefined || this.#serving === undefined || this.#isEnded) return;
    clearTimeout(this.#timer);
    try {
      const user = this.#user;
      const users = this.#users;
      const keeper: Keeper = new Keeper({
        pool: this.#parts.pool,
        user: user && { uid: user.uid, gid: user.gid },
        nowMs: this.#parts.nowMs,
        warn: (text) => this.#warn(text),
        onChange: (takes) => {
          for (const generation of users) generation.setKeeper({ takes });
        },
      });
      this.#keeper = keeper;
      this.#use(keeper);
      this.#parts.onKeeper();
    } catch (error) {
      this.#warn(`kept connections hold their workers: ${failureText(error)}; trying again`);
      this.#timer = setTimeout(() => this.want(), RETRY_AFTER_MS).unref();
    }
  }

  /** Nobody serves next: idle connections are closed, and those with a request are served by those who are there. */
  async finish(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#keeper?.finish();
  }

  /** What {@link finish} has ended begins again. */
  resume(): void {
    this.#keeper?.resume();
  }

  /** @returns when its process is gone */
  async end(): Promise<void> {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    await this.#keeper?.close();
  }

  #use(keeper: Keeper): void {
    const there = new Set(this.#parts.generations());
    for (const generation of this.#users) if (!there.has(generation)) this.#users.delete(generation);
    if (this.#serving === undefined) return;
    this.#users.add(this.#serving);
    this.#serving.setKeeper(keeper);
    this.#serving.useKeeper(keeper.workersFd);
  }

  #warn(text: string): void {
    const { pool, log } = this.#parts;
    log.warning(`[pool ${pool}] ${text}`, { pool });
  }
}

function isSameUser(a: Pick<Identity, 'uid' | 'gid'> | undefined, b: Identity | undefined): boolean {
  return a?.uid === b?.uid && a?.gid === b?.gid;
}
