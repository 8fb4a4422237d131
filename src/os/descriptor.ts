import { constants } from 'node:fs';
import type { Fd } from '../units.js';
import { checked, libcFunction, retryInterrupted } from './libc.js';

// <fcntl.h> on Linux.
const F_DUPFD_CLOEXEC = 1030;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;

const { O_NONBLOCK } = constants;

const c = {
  dup2: libcFunction<(from: Fd, to: Fd) => number>('int dup2(int oldfd, int newfd)'),
  fcntl: libcFunction<(fd: Fd, command: number, type: 'int', argument: number) => number>(
    'int fcntl(int fd, int cmd, ...)',
  ),
};

/**
 * Makes `to` refer to what `from` is open on, in one step: `to` is never closed in between. `to` stays open on exec.
 *
 * @throws SystemError EBADF
 * @see dup2(2)
 */
export function replaceDescriptor(from: Fd, to: Fd): void {
  checked(
    retryInterrupted(() => c.dup2(from, to)),
    { syscall: 'dup2', fd: from },
  );
}

/**
 * A second descriptor, closed on exec.
 *
 * @param lowest the smallest number that it may get; 3 keeps it off the standard ones
 * @throws SystemError EBADF, EMFILE
 */
export function duplicateDescriptor(fd: Fd, lowest: Fd = 3): Fd {
  return checked(c.fcntl(fd, F_DUPFD_CLOEXEC, 'int', lowest), { syscall: 'fcntl', fd });
}

/** @throws SystemError EBADF */
export function setCloseOnExec(fd: Fd, isClosed: boolean): void {
  const flags = checked(c.fcntl(fd, F_GETFD, 'int', 0), { syscall: 'fcntl', fd });
  const wanted = isClosed ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
  checked(c.fcntl(fd, F_SETFD, 'int', wanted), { syscall: 'fcntl', fd });
}

/**
 * Whether reads, writes and accepts return at once instead of waiting: for every process that shares what the
 * descriptor is open on.
 *
 * @returns whether they did before
 * @throws SystemError EBADF
 */
export function setNonBlocking(fd: Fd, isNonBlocking: boolean): boolean {
  const flags = checked(c.fcntl(fd, F_GETFL, 'int', 0), { syscall: 'fcntl', fd });
  const wanted = isNonBlocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted !== flags) checked(c.fcntl(fd, F_SETFL, 'int', wanted), { syscall: 'fcntl', fd });
  return (flags & O_NONBLOCK) !== 0;
}
