import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Count, Fd, Milliseconds } from '../units.js';
import { checked, hasCode, lastErrno, libcFunction, systemError } from './libc.js';
import { readInt32, readUInt32, writeUInt32, writeUInt64 } from './native-integers.js';

// <sys/epoll.h> and <sys/eventfd.h> on Linux.
const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const OPERATIONS = { add: 1, remove: 2, change: 3 } as const;

export const EPOLLIN = 0x1;
/** Reports at each new arrival instead of while anything is there. */
export const EPOLLET = 0x80000000;

/** `struct epoll_event` is packed on x86 only: its user data, 8 bytes, follow the events at once or aligned. */
const DATA_OFFSET = process.arch === 'x64' ? 4 : 8;
const EVENT_SIZE = DATA_OFFSET + 8;

const c = {
  epoll_create1: libcFunction<(flags: number) => number>('int epoll_create1(int flags)'),
  epoll_ctl: libcFunction<(epoll: Fd, operation: number, fd: Fd, event: Buffer) => number>(
    'int epoll_ctl(int epfd, int op, int fd, void *event)',
  ),
  epoll_wait: libcFunction<(epoll: Fd, events: Buffer, room: number, timeout: number) => number>(
    'int epoll_wait(int epfd, void *events, int maxevents, int timeout)',
  ),
  eventfd: libcFunction<(initial: number, flags: number) => number>(
    'int eventfd(unsigned int initval, int flags)',
  ),
};

/** A new epoll instance, closed on exec; close it with `fs.closeSync`. @see epoll_create1(2) */
export function createEpoll(): Fd {
  return checked(c.epoll_create1(EPOLL_CLOEXEC), { syscall: 'epoll_create1' });
}

/**
 * @param operation `remove` ignores `events`
 * @throws SystemError EEXIST on a second `add`, ENOENT on `change` or `remove` of one that was not added, EPERM for a
 *   plain file
 * @see epoll_ctl(2)
 */
export function controlEpoll(epoll: Fd, operation: keyof typeof OPERATIONS, fd: Fd, events = 0): void {
  const event = Buffer.alloc(EVENT_SIZE);
  writeUInt32(event, events >>> 0, 0);
  writeUInt64(event, BigInt(fd), DATA_OFFSET);
  checked(c.epoll_ctl(epoll, OPERATIONS[operation], fd, event), { syscall: 'epoll_ctl', fd });
}

export interface EpollEvent {
  readonly fd: Fd;
  /** Bits: {@link EPOLLIN} and so on. */
  readonly events: number;
}

/**
 * Blocks the calling thread: for a worker thread, or with a timeout of 0.
 *
 * @param timeoutMs -1 waits for ever
 * @param atMost how many events to take at once
 * @returns empty after the timeout or a signal
 * @throws SystemError EBADF, EINVAL
 * @see epoll_wait(2)
 */
export function waitEpoll(epoll: Fd, timeoutMs: Milliseconds, atMost: Count = 64): EpollEvent[] {
  const events = Buffer.alloc(EVENT_SIZE * atMost);
  const ready = c.epoll_wait(epoll, events, atMost, timeoutMs);
  if (ready < 0) {
    const errno = lastErrno();
    if (errno === constants.errno.EINTR) return [];
    throw systemError(errno, { syscall: 'epoll_wait', fd: epoll });
  }
  return Array.from({ length: ready }, (_, index) => ({
    events: readUInt32(events, index * EVENT_SIZE),
    fd: readInt32(events, index * EVENT_SIZE + DATA_OFFSET),
  }));
}

/** A counter to wake a thread that waits in {@link waitEpoll}; closed on exec, never blocks. @see eventfd(2) */
export function createEventCounter(): Fd {
  return checked(c.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), { syscall: 'eventfd' });
}

export function raiseEventCounter(fd: Fd): void {
  try {
    writeSync(fd, new Uint8Array(BigUint64Array.of(1n).buffer));
  } catch (error) {
    // EAGAIN: the counter is at its top, so whoever waits is awake already.
    if (!hasCode(error, 'EAGAIN')) throw error;
  }
}
