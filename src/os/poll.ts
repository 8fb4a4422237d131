import type { Fd } from '../units.js';
import { checked, hasCode, libcFunction, retryInterrupted } from './libc.js';
import { readUInt16, writeUInt16, writeUInt32 } from './native-integers.js';

// <poll.h> on Linux: `struct pollfd` is the descriptor, what to look for, and what was found.
const POLLFD_SIZE = 8;
const EVENTS_OFFSET = 4;
const REVENTS_OFFSET = 6;
const POLLIN = 1;
const POLLERR = 0x8;
const POLLHUP = 0x10;
const POLLRDHUP = 0x2000;

const c = {
  poll: libcFunction<(fds: Buffer, count: number, timeout: number) => number>(
    'int poll(void *fds, unsigned long nfds, int timeout)',
  ),
};

/**
 * The events at each of the descriptors now, in their order. One system call, without a descriptor of its own.
 *
 * @param wanted events, besides those that are always told
 * @throws SystemError ENOMEM; EINVAL where there are more than RLIMIT_NOFILE
 * @see poll(2)
 */
function pollNow(fds: readonly Fd[], wanted: number): number[] {
  const bytes = Buffer.alloc(fds.length * POLLFD_SIZE);
  for (const [index, fd] of fds.entries()) {
    writeUInt32(bytes, fd, index * POLLFD_SIZE);
    writeUInt16(bytes, wanted, index * POLLFD_SIZE + EVENTS_OFFSET);
  }
  checked(
    retryInterrupted(() => c.poll(bytes, fds.length, 0)),
    { syscall: 'poll' },
  );
  return fds.map((_fd, index) => readUInt16(bytes, index * POLLFD_SIZE + REVENTS_OFFSET));
}

/**
 * Whether there is something to read, or a connection to accept, now; for a pidfd, whether its process has ended.
 *
 * @returns false also where the kernel cannot tell at present (ENOMEM)
 */
export function isReadable(fd: Fd): boolean {
  return hasEvent(fd, POLLIN, POLLIN);
}

/** Whether one of those signs is there now; false where the kernel cannot tell at present. */
function hasEvent(fd: Fd, wanted: number, signs: number): boolean {
  try {
    return pollNow([fd], wanted).some((events) => (events & signs) !== 0);
  } catch (error) {
    if (hasCode(error, 'ENOMEM')) return false;
    throw error;
  }
}

/**
 * The listening sockets that another process, which shares them, has shut down: no connection arrives there any more.
 * SO_ACCEPTCONN cannot tell: a unix socket that was shut down still listens for it.
 *
 * @throws SystemError as {@link pollNow}
 */
export function hungUp(fds: readonly Fd[]): Fd[] {
  const found = pollNow(fds, POLLRDHUP);
  return fds.filter((_fd, index) => ((found[index] ?? 0) & (POLLHUP | POLLRDHUP)) !== 0);
}

/**
 * Whether the client at the other end of an accepted connection has closed it. By TCP one that has only stopped sending
 * looks the same, and counts as gone: no web server does that.
 *
 * @param isUnix the connection is of a unix socket, where the kernel tells both apart
 * @returns false also where the kernel cannot tell at present (ENOMEM)
 */
export function hasClientLeft(fd: Fd, isUnix: boolean): boolean {
  const signs = isUnix ? POLLHUP : POLLHUP | POLLERR | POLLRDHUP;
  return hasEvent(fd, POLLRDHUP, signs);
}
