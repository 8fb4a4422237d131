import { constants } from 'node:os';
import type { Pid } from '../units.js';
import { isWaitedFor } from './child.js';
import { lastErrno, libcFunction, retryInterrupted, systemError } from './libc.js';
import { readInt32 } from './native-integers.js';
import { decodeWaitStatus, type ExitStatus } from './process.js';

// <sys/wait.h> on Linux
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;
const SIGINFO_SIZE = 128;
/** `si_pid`: behind three ints, aligned as the pointers that share its union are. */
const SI_PID = ['ia32', 'arm'].includes(process.arch) ? 12 : 16;

const c = {
  waitid: libcFunction<(type: number, id: number, info: Buffer, options: number) => number>(
    'int waitid(int idtype, uint32_t id, void *infop, int options)',
  ),
  waitpid: libcFunction<(pid: Pid, status: Int32Array, options: number) => number>(
    'int waitpid(int pid, void *wstatus, int options)',
  ),
};

/**
 * The pid of a child that has ended and whose status nobody has taken, without taking it. The kernel shows the same
 * one until it is taken.
 *
 * @returns undefined if there is none
 * @see waitid(2) WNOWAIT
 */
export function peekEndedChild(): Pid | undefined {
  const info = Buffer.alloc(SIGINFO_SIZE);
  const result = retryInterrupted(() => c.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT));
  const pid = readInt32(info, SI_PID);
  return result === 0 && pid > 0 ? pid : undefined; // -1 is ECHILD: no children at all
}

export interface EndedChild {
  readonly pid: Pid;
  readonly status: ExitStatus;
}

/**
 * Takes the status of one child that has ended, without waiting. A child that Node started is left to Node, which
 * would never tell of its end otherwise.
 *
 * @returns undefined if it has not ended, is Node's, or is no child at all
 * @see waitpid(2)
 */
export function reapChild(pid: Pid): EndedChild | undefined {
  if (pid <= 0 || isWaitedFor(pid)) return undefined; // 0 and less are groups of children, Node's among them
  const status = new Int32Array(1);
  const ended = retryInterrupted(() => c.waitpid(pid, status, WNOHANG));
  if (ended < 0) {
    const errno = lastErrno();
    if (errno === constants.errno.ECHILD) return undefined;
    throw systemError(errno, { syscall: 'waitpid', pid });
  }
  // A child that is traced shows its stops here, too.
  const isStop = ((status[0] ?? 0) & 0xff) === 0x7f;
  return ended === 0 || isStop ? undefined : { pid: ended, status: decodeWaitStatus(status[0] ?? 0) };
}
