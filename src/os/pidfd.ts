import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Fd, Pid } from '../units.js';
import { checked, lastErrno, libcFunction, systemError } from './libc.js';
import { writeUInt32, writeUInt64 } from './native-integers.js';
import { isReadable } from './poll.js';

// <asm-generic/unistd.h>: calls this young have one number on all machines. The C library may know neither.
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
/** `si_code` of what sigqueue(3) sends; the kernel takes it from another process, too. */
const SI_QUEUE = -1;
const SIGINFO_SIZE = 128;
/** `si_value` of a `siginfo_t` with 64-bit pointers. */
const SI_VALUE = 24;

const c = {
  syscall: libcFunction<(number: number, ...typed: unknown[]) => number>('long syscall(long number, ...)'),
  sigqueue: libcFunction<(pid: Pid, signal: number, value: bigint) => number>(
    'int sigqueue(int pid, int sig, uint64_t value)', // the union that it takes is passed like the integer
  ),
};

/**
 * A descriptor for one process: it never stands for another one that gets the same number later. Closed on exec.
 *
 * @throws SystemError ESRCH for a process that was reaped already, EMFILE, ENOSYS before Linux 5.3
 * @see pidfd_open(2)
 */
export function openPidfd(pid: Pid): Fd {
  const fd = checked(c.syscall(SYS_PIDFD_OPEN, 'int', pid, 'uint', 0), { syscall: 'pidfd_open', pid });
  return Number(fd);
}

/**
 * @param signal a number; 0 only asks whether the process is there
 * @param value sent with the signal
 * @returns false for a process that has ended and was reaped
 * @throws SystemError EPERM
 * @see pidfd_send_signal(2)
 */
export function sendByPidfd(fd: Fd, signal: number, value?: bigint): boolean {
  const info = value === undefined ? null : queuedSignal(signal, value);
  return wasSent(
    c.syscall(SYS_PIDFD_SEND_SIGNAL, 'int', fd, 'int', signal, 'void *', info, 'uint', 0),
    'pidfd_send_signal',
  );
}

/** Whether the process has ended; its parent may not have reaped it yet. */
export function hasEndedByPidfd(fd: Fd): boolean {
  return isReadable(fd);
}

/** {@link sendByPidfd} for where there is no pidfd: the caller has made sure which process has the number. */
export function sendByNumber(pid: Pid, signal: number, value?: bigint): boolean {
  if (value !== undefined) return wasSent(c.sigqueue(pid, signal, value), 'sigqueue');
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Why pidfds cannot be had here, or do not work: an old kernel, a seccomp filter. Asked once, at the start. */
export function pidfdFailure(): Error | undefined {
  try {
    const fd = openPidfd(process.pid);
    try {
      sendByPidfd(fd, 0);
    } finally {
      closeSync(fd);
    }
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function queuedSignal(signal: number, value: bigint): Buffer {
  const info = Buffer.alloc(SIGINFO_SIZE);
  writeUInt32(info, signal, 0);
  writeUInt32(info, SI_QUEUE, 8);
  writeUInt64(info, value, SI_VALUE);
  return info;
}

function wasSent(result: number, syscall: string): boolean {
  if (Number(result) === 0) return true;
  const errno = lastErrno();
  if (errno === constants.errno.ESRCH) return false;
  throw systemError(errno, { syscall });
}
