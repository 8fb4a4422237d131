import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Count, Fd, Pid } from '../units.js';
import { hasCode } from './libc.js';
import { hasEndedByPidfd, openPidfd, pidfdFailure, sendByNumber, sendByPidfd } from './pidfd.js';
import { resourceLimit } from './process.js';
import { processState } from './process-life.js';

/** Handles take no more than this part of the descriptors that this process may have: it needs others to go on. */
const MOST_OF_DESCRIPTORS = 0.5;
/** Linux's soft limit where nobody sets another, for where it cannot be asked. */
const USUAL_DESCRIPTORS: Count = 1024;

/**
 * One process, whatever becomes of its number. By a pidfd; where the kernel gives none, or few descriptors are left, by
 * its number, and whose that is is looked at before each use.
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
   * @param isWanted whether the process of that number is the one that is meant; asked when its number is held, so that
   * the answer is about the process that the handle stands for
   * @returns undefined where it is not, or there is none
   */
  static open(pid: Pid, isWanted: (pid: Pid) => boolean): ProcessHandle | undefined {
    if (pid <= 0) return undefined; // a group, for kill(2)
    const handle = new ProcessHandle(pid, pidfdWithinReason(pid), isWanted);
    if (isWanted(pid) && handle.isThere) return handle;
    handle.close();
    return undefined;
  }

  /** It lives no more, whether or not its parent has taken note of that. */
  get hasEnded(): boolean {
    if (this.#fd !== undefined) return hasEndedByPidfd(this.#fd);
    return !this.isThere || processState(this.pid)?.hasEnded === true;
  }

  /** The number is still its own: it lives, or its parent has not taken note of its end. */
  get isThere(): boolean {
    try {
      return this.#send(0);
    } catch {
      return true; // EPERM is about a process that is there
    }
  }

  /**
   * @param value goes along with the signal, as from sigqueue(3)
   * @returns false for a process that has ended
   * @throws the system's error EPERM, without CAP_KILL over another user's process
   */
  send(signal: NodeJS.Signals | number, value?: bigint): boolean {
    return this.#send(typeof signal === 'number' ? signal : constants.signals[signal], value);
  }

  /** From then on it stands for nothing. */
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

  /** Without descriptors to read /proc by the start time is not known; the number may be held by another of those wanted. */
  get #isSame(): boolean {
    const startTicks = this.#startTicks && processState(this.pid)?.startTicks;
    return startTicks === undefined ? this.#isWanted(this.pid) : startTicks === this.#startTicks;
  }
}

/** What an old kernel or a seccomp filter answers. */
const REFUSALS = ['ENOSYS', 'EPERM', 'EACCES', 'EINVAL'] as const;

/** One that can be opened may still be of no use: filters refuse each call by itself. Asked once. */
let arePidfdsUsable: boolean | undefined;

/** @returns undefined where the kernel gives none, or the process is gone, or others may need the descriptor more */
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
