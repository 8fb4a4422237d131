import { peekEndedChild } from '../os/ended-child.js';
import { type ExitStatus, reapChild } from '../os/process.js';
import { processLife } from '../os/process-life.js';
import type { Count, Milliseconds, Pid } from '../units.js';

/** SIGCHLDs merge and may come before adoption: look again, while there is anything to look for. */
const LOOK_AGAIN_MS: Milliseconds = 200;
/** Two seconds. */
const MOST_LOOKS_AT_DEAD: Count = 10;

/**
 * Processes that became the master's children because their parent ended: workers of a zygote that died, and
 * programs that scripts left behind. The master is a subreaper, so all of them come here, and must be reaped here.
 */
export class Orphans {
  readonly #onEndByPid = new Map<Pid, (status: ExitStatus | undefined) => void>();
  readonly #isOwnChild: (pid: Pid) => boolean;
  /** How often one was found dead without a status. */
  readonly #looksAtDead = new Map<Pid, Count>();
  #timer: NodeJS.Timeout | undefined;

  /** @param isOwnChild true for children that Node waits for itself */
  constructor(isOwnChild: (pid: Pid) => boolean) {
    this.#isOwnChild = isOwnChild;
  }

  /** `onEnd` is called once, when that process has ended; undefined where its parent took the status with it. */
  adopt(pid: Pid, onEnd: (status: ExitStatus | undefined) => void): void {
    this.#onEndByPid.set(pid, onEnd);
    this.#timer ??= setInterval(() => this.look(), LOOK_AGAIN_MS);
  }

  kill(pid: Pid): void {
    if (!this.#onEndByPid.has(pid)) return;
    try {
      process.kill(pid, 'SIGKILL'); // not reaped yet, so the number is still this process
    } catch {
      // ESRCH: it has ended; look() finds out
    }
  }

  /** On SIGCHLD: takes every status that waits, but Node's. */
  look(): void {
    for (const pid of [...this.#onEndByPid.keys()]) this.#reap(pid);
    for (let ended = peekEndedChild(); ended !== undefined; ended = peekEndedChild()) {
      // The kernel shows the same one until it is taken; Node takes its own in a moment, and SIGCHLD comes again.
      if (this.#isOwnChild(ended) || !this.#reap(ended)) break;
    }
    if (this.#onEndByPid.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** @returns whether it is gone */
  #reap(pid: Pid): boolean {
    const ended = reapChild(pid);
    if (ended === undefined && this.#mayStillEnd(pid)) return false;
    const onEnd = this.#onEndByPid.get(pid);
    this.#onEndByPid.delete(pid);
    this.#looksAtDead.delete(pid);
    onEnd?.(ended?.status);
    return true;
  }

  /** The status of one that somebody traces is withheld from us, for ever if the tracer hangs: it has ended all the same. */
  #mayStillEnd(pid: Pid): boolean {
    if (processLife(pid) !== undefined) return true;
    const looks = (this.#looksAtDead.get(pid) ?? 0) + 1;
    this.#looksAtDead.set(pid, looks);
    return looks < MOST_LOOKS_AT_DEAD && exists(pid);
  }
}

function exists(pid: Pid): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // ESRCH: root is never refused, and others have only children of their own user
  }
}
