import { peekEndedChild, reapChild } from '../os/ended-child.js';
import type { ExitStatus } from '../os/process.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { childPids } from '../os/process-life.js';
import type { Count, Milliseconds, Pid } from '../units.js';

/** SIGCHLDs merge, and may come before adoption: while there are orphans they are also checked by a timer. */
const CHECK_EVERY_MS: Milliseconds = 200;
/** Checks of {@link CHECK_EVERY_MS}, two seconds in sum, at which a dead orphan's status may be withheld. */
const MOST_CHECKS_OF_DEAD: Count = 10;

interface Adopted {
  readonly onEnd: (status: ExitStatus | undefined) => void;
  /** How often it was found dead without a status. */
  checksOfDead: Count;
}

/** A child may have ended before anybody watched it: when that is checked. */
const READ_AGAIN_MS: Milliseconds = 20;

/**
 * Children of the master that Node knows nothing of: zygotes that were forked from a template, and processes that
 * became its children because their parent ended, workers of a zygote that died and programs that scripts left
 * behind. The master is a subreaper, so all of them come here, and must be reaped here. Those that Node started are
 * left to Node.
 */
export class Orphans {
  readonly #children = new Map<Pid, (status: ExitStatus) => void>();
  readonly #adopted = new Map<ProcessHandle, Adopted>();
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;

  /** `onEnd` is called once, when that process has ended; undefined where its parent took the status with it. */
  adopt(orphan: ProcessHandle, onEnd: (status: ExitStatus | undefined) => void): void {
    this.#adopted.set(orphan, { onEnd, checksOfDead: 0 });
    this.#timer ??= setInterval(() => this.reap(), CHECK_EVERY_MS);
  }

  /**
   * For a child from its start on: its end always comes with SIGCHLD, and until its status was taken its number is its
   * own. `onEnd` is called once, never before this returns.
   */
  watch(child: Pid, onEnd: (status: ExitStatus) => void): void {
    this.#children.set(child, onEnd);
    this.#readAgain(); // it may have ended already
  }

  /** On SIGCHLD: takes the status of every child that has ended, except those that Node started. */
  reap(): void {
    for (const [orphan, adopted] of [...this.#adopted]) {
      // Once it is gone its number may be any other child's.
      const status = orphan.isThere ? reapChild(orphan.pid)?.status : undefined;
      if (status !== undefined || !mayStillEnd(orphan, adopted)) this.#tellEnd(orphan, status);
    }
    for (let ended = peekEndedChild(); ended !== undefined; ended = peekEndedChild()) {
      if (this.#reap(ended)) continue;
      // It is Node's, and hides those behind it for as long as Node takes: that may be for ever.
      for (const pid of childPids(process.pid)) this.#reap(pid);
      break;
    }
    if (this.#adopted.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #readAgain(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.reap();
    }, READ_AGAIN_MS);
  }

  /** @returns whether it was one of ours to take */
  #reap(pid: Pid): boolean {
    // Until its status is taken the number is its own.
    const orphan = [...this.#adopted.keys()].find((one) => one.pid === pid && one.isThere);
    const ended = reapChild(pid);
    if (ended === undefined) return false;
    if (orphan !== undefined) this.#tellEnd(orphan, ended.status);
    const onEnd = this.#children.get(pid);
    this.#children.delete(pid);
    onEnd?.(ended.status);
    return true;
  }

  #tellEnd(orphan: ProcessHandle, status: ExitStatus | undefined): void {
    const adopted = this.#adopted.get(orphan);
    this.#adopted.delete(orphan);
    adopted?.onEnd(status);
  }
}

/**
 * The kernel withholds the status of a traced process from its parent, for ever if the tracer hangs. Such a process
 * counts as ended after a while.
 */
function mayStillEnd(orphan: ProcessHandle, adopted: Adopted): boolean {
  if (!orphan.isThere) return false;
  if (!orphan.hasEnded) return true;
  return ++adopted.checksOfDead < MOST_CHECKS_OF_DEAD;
}
