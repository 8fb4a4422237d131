import type { Count, Fd } from '../units.js';
import { setNonBlocking } from './descriptor.js';
import { libcFunction, retryInterrupted } from './libc.js';
import { nativeInt32, readUInt32 } from './native-integers.js';
import { decodeSocketAddress, type SocketAddress } from './socket-address.js';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from './socket-constants.js';

/** `struct sockaddr_storage` has room for every kind of address. */
const SOCKADDR_STORAGE_SIZE = 128;

const c = {
  accept4: libcFunction<(fd: Fd, address: Buffer, length: Buffer, flags: number) => number>(
    'int accept4(int sockfd, void *addr, void *addrlen, int flags)',
  ),
};

/** A connection that was accepted; closed on exec, does not block. */
export interface AcceptedClient {
  readonly fd: Fd;
  /** Where it comes from: host and port, or a unix socket, most often without a path. */
  readonly address: SocketAddress | undefined;
}

/**
 * Takes the clients that have waited longest from a listening socket that other processes accept from as well; never
 * waits.
 *
 * O_NONBLOCK belongs to the socket, not to this process: it is set for as long as this takes, and a worker that comes
 * just then waits by poll(2) instead (`accept_client` in runtime/worker.c).
 *
 * @returns at most so many; fewer where no more wait, or the machine is short of something: who is left waits on
 * @throws SystemError EBADF
 * @see accept4(2)
 */
export function acceptWaiting(listenFd: Fd, most: Count): AcceptedClient[] {
  const accepted: AcceptedClient[] = [];
  const wasNonBlocking = setNonBlocking(listenFd, true);
  try {
    while (accepted.length < most) {
      const client = acceptOne(listenFd);
      if (client === undefined) break;
      accepted.push(client);
    }
  } finally {
    if (!wasNonBlocking) setNonBlocking(listenFd, false);
  }
  return accepted;
}

/** @returns undefined where that cannot be at present */
function acceptOne(listenFd: Fd): AcceptedClient | undefined {
  const bytes = Buffer.alloc(SOCKADDR_STORAGE_SIZE);
  const length = nativeInt32(bytes.length);
  const fd = retryInterrupted(() => c.accept4(listenFd, bytes, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd < 0) return undefined;
  return { fd, address: decodeSocketAddress(bytes.subarray(0, readUInt32(length, 0))) };
}
