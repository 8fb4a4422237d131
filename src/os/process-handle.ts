import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Count, Fd, Pid } from '../units.js';
import { hasCode } from './libc.js';
import { hasEndedByPidfd, openPidfd, pidfdFailure, sendByNumber, sendByPidfd } from './pidfd.js';
import { resourceLimit } from './process.js';
import { processState } from './process-life.js';

/** Handles take no more than this part of the descriptors that this process may have: it needs some for its work. */
const MOST_OF_DESCRIPTORS = 0.5;
/** Linux's default soft limit, for where the limit cannot be asked. */
const USUAL_DESCRIPTORS: Count = 1024;

/**
 * Stands for one process, also after its number has gone to another. Held by a pidfd; where the kernel gives none, or
 * few descriptors are left, by its number, and before each use it is checked that the number is still its own.
 */
export class ProcessHandle {
  readonly pid: Pid;
  #fd: Fd | undefined;
  readonly #isWanted: (pid: Pid) => boolean;
  readonly #startTicks: string | undefined;
  #isClosed = false;

  private constructor(pid: Pid, fd: Fd | undefined, isWanted: (pid: Pid) => boolean) {
    this.pid = pid;
    this.#fd = fd;
    this.#isWanted = isWanted;
    this.#startTicks = fd === undefined ? processState(pid)?.startTicks : undefined;
  }

  /**
   * @param isWanted whether the process of that number is the one that is meant; asked once the handle is open, so that
   * the answer is about the process that the handle stands for
   * @returns undefined where it is another process, or there is none
   */
  static open(pid: Pid, isWanted: (pid: Pid) => boolean): ProcessHandle | undefined {
    if (pid <= 0) return undefined; // kill(2) would take it for a group
    const handle = new ProcessHandle(pid, pidfdWithinReason(pid), isWanted);
    if (isWanted(pid) && handle.isThere) return handle;
    handle.close();
    return undefined;
  }

  /** The process has ended; its parent may not have reaped it yet. */
  get hasEnded(): boolean {
    if (this.#fd !== undefined) return hasEndedByPidfd(this.#fd);
    return !this.isThere || processState(this.pid)?.hasEnded === true;
  }

  /** The number is still its own: it lives, or was not reaped yet. */
  get isThere(): boolean {
    try {
      return this.#send(0);
    } catch {
      return true; // EPERM: it is there, and may not be signalled
    }
  }

  /**
   * @param value sent with the signal, as by sigqueue(3)
   * @returns false for a process that has ended
   * @throws the system's error EPERM, without CAP_KILL over another user's process
   */
  send(signal: NodeJS.Signals | number, value?: bigint): boolean {
    return this.#send(typeof signal === 'number' ? signal : constants.signals[signal], value);
  }

  /** Gives the pidfd back; the handle must not be used after that. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#isClosed = true;
  }

  #send(signal: number, value?: bigint): boolean {
    if (this.#isClosed) return false;
    if (this.#fd !== undefined) return sendByPidfd(this.#fd, signal, value);
    return this.#isSame && sendByNumber(this.pid, signal, value);
  }

  /**
   * Whether the number still stands for the process. Without a descriptor to read /proc with, its start time is not
   * known: then any process that `isWanted` accepts passes.
   */
  get #isSame(): boolean {
    const startTicks = this.#startTicks && processState(this.pid)?.startTicks;
    return startTicks === undefined ? this.#isWanted(this.pid) : startTicks === this.#startTicks;
  }
}

/** Errors of an old kernel or a seccomp filter. */
const REFUSALS = ['ENOSYS', 'EPERM', 'EACCES', 'EINVAL'] as const;

/** Whether pidfds can be both opened and used: a seccomp filter refuses each call by itself. Asked once. */
let arePidfdsUsable: boolean | undefined;

/** @returns undefined where the kernel gives none, the process is gone, or the share of descriptors is used up */
function pidfdWithinReason(pid: Pid): Fd | undefined {
  arePidfdsUsable ??= !hasCode(pidfdFailure(), ...REFUSALS);
  if (!arePidfdsUsable) return undefined;
  try {
    const fd = openPidfd(pid);
    if (fd < mostOfDescriptors()) return fd;
    closeSync(fd);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'EMFILE', 'ENFILE', 'ENOMEM', 'ESRCH', ...REFUSALS)) return undefined;
    throw error;
  }
}

function mostOfDescriptors(): Count {
  try {
    return resourceLimit('openFiles').soft * MOST_OF_DESCRIPTORS;
  } catch {
    return USUAL_DESCRIPTORS * MOST_OF_DESCRIPTORS; // a seccomp filter
  }
}
