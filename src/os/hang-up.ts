import type { Fd } from '../units.js';
import { checked, libcFunction, retryInterrupted } from './libc.js';
import { readUInt16, writeUInt16, writeUInt32 } from './native-integers.js';

// <poll.h> on Linux; `struct pollfd` is an int and two shorts.
const POLLHUP = 0x10;
const POLLRDHUP = 0x2000;
const POLLFD_SIZE = 8;
const EVENTS_OFFSET = 4;
const REVENTS_OFFSET = 6;

const poll = libcFunction<(fds: Buffer, count: number, timeout: number) => number>(
  'int poll(void *fds, unsigned long nfds, int timeout)',
);

/**
 * Those of the listening sockets at which nothing arrives any more, since somebody who shares them has called
 * shutdown(2). Of a unix socket SO_ACCEPTCONN still says that it listens. One system call for all.
 *
 * @throws SystemError EINVAL where there are more than RLIMIT_NOFILE
 * @see poll(2)
 */
export function hungUp(fds: readonly Fd[]): Fd[] {
  const bytes = Buffer.alloc(fds.length * POLLFD_SIZE);
  for (const [index, fd] of fds.entries()) {
    writeUInt32(bytes, fd, index * POLLFD_SIZE);
    writeUInt16(bytes, POLLRDHUP, index * POLLFD_SIZE + EVENTS_OFFSET);
  }
  const ready = checked(
    retryInterrupted(() => poll(bytes, fds.length, 0)),
    { syscall: 'poll' },
  );
  if (ready === 0) return [];
  return fds.filter(
    (_fd, index) => (readUInt16(bytes, index * POLLFD_SIZE + REVENTS_OFFSET) & (POLLHUP | POLLRDHUP)) !== 0,
  );
}
