import type { Fd } from '../units.js';
import { libcFunction } from './libc.js';
import { nativeInt32, readUInt16, writeUInt16 } from './native-integers.js';

// <poll.h> on Linux: `struct pollfd` is the descriptor, what to look for, and what was found.
const POLLFD_SIZE = 8;
const EVENTS_OFFSET = 4;
const REVENTS_OFFSET = 6;
const POLLIN = 1;

const poll = libcFunction<(fds: Buffer, count: number, timeout: number) => number>(
  'int poll(void *fds, unsigned long nfds, int timeout)',
);

/**
 * Whether there is something to read, or somebody to accept, now. Takes no descriptor of its own.
 *
 * @returns false also where the kernel cannot tell at present (ENOMEM)
 * @see poll(2)
 */
export function isReadable(fd: Fd): boolean {
  const entry = Buffer.alloc(POLLFD_SIZE);
  nativeInt32(fd).copy(entry, 0);
  writeUInt16(entry, POLLIN, EVENTS_OFFSET);
  return poll(entry, 1, 0) === 1 && (readUInt16(entry, REVENTS_OFFSET) & POLLIN) !== 0;
}
