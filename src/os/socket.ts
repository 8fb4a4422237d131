import type { Count, Fd } from '../units.js';
import { checked, hasCode, libcFunction, retryInterrupted } from './libc.js';
import { nativeInt32, readUInt32 } from './native-integers.js';
import {
  addressFamilies,
  decodeSocketAddress,
  encodeSocketAddress,
  type SocketAddress,
  socketAddressText,
} from './socket-address.js';
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET } from './socket-constants.js';

// <sys/socket.h> and <netinet/in.h> on Linux.
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
/** `struct sockaddr_storage` has room for every kind of address. */
const SOCKADDR_STORAGE_SIZE = 128;

const SHUT_RDWR = 2;

const c = {
  socket: libcFunction<(domain: number, type: number, protocol: number) => number>(
    'int socket(int domain, int type, int protocol)',
  ),
  bind: libcFunction<(fd: Fd, address: Buffer, length: number) => number>(
    'int bind(int sockfd, const void *addr, uint32_t addrlen)',
  ),
  connect: libcFunction<(fd: Fd, address: Buffer, length: number) => number>(
    'int connect(int sockfd, const void *addr, uint32_t addrlen)',
  ),
  listen: libcFunction<(fd: Fd, backlog: number) => number>('int listen(int sockfd, int backlog)'),
  shutdown: libcFunction<(fd: Fd, how: number) => number>('int shutdown(int sockfd, int how)'),
  getsockname: libcFunction<(fd: Fd, address: Buffer, length: Buffer) => number>(
    'int getsockname(int sockfd, void *addr, void *addrlen)',
  ),
  setsockopt: libcFunction<(fd: Fd, level: number, name: number, value: Buffer, length: number) => number>(
    'int setsockopt(int sockfd, int level, int optname, const void *optval, uint32_t optlen)',
  ),
  getsockopt: libcFunction<(fd: Fd, level: number, name: number, value: Buffer, length: Buffer) => number>(
    'int getsockopt(int sockfd, int level, int optname, void *optval, void *optlen)',
  ),
};

/** How a stream socket is opened. */
export interface OpenSocketOptions {
  readonly isNonBlocking?: boolean;
}

/**
 * A new stream socket, closed on exec.
 *
 * @throws SystemError EAFNOSUPPORT where the kernel lacks the family, EMFILE, ENFILE
 * @see socket(2)
 */
export function openStreamSocket(family: SocketAddress['family'], options: OpenSocketOptions = {}): Fd {
  const type = SOCK_STREAM | SOCK_CLOEXEC | (options.isNonBlocking ? SOCK_NONBLOCK : 0);
  return checked(c.socket(addressFamilies[family], type, 0), { syscall: 'socket' });
}

/**
 * @throws SystemError EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOENT, ENAMETOOLONG
 * @see bind(2), unix(7)
 */
export function bindSocket(fd: Fd, address: SocketAddress): void {
  const bytes = encodeSocketAddress(address);
  checked(c.bind(fd, bytes, bytes.length), { syscall: 'bind', fd, address: socketAddressText(address) });
}

/**
 * @throws SystemError ECONNREFUSED, ENOENT; EAGAIN from a non-blocking unix socket if the listener's queue is full
 * @see connect(2)
 */
export function connectSocket(fd: Fd, address: SocketAddress): void {
  const bytes = encodeSocketAddress(address);
  const result = retryInterrupted(() => c.connect(fd, bytes, bytes.length));
  checked(result, { syscall: 'connect', fd, address: socketAddressText(address) });
}

/**
 * @param backlog longest queue of connections that wait; the kernel cuts it to net.core.somaxconn, and
 *   takes a negative one as that maximum
 * @throws SystemError EADDRINUSE, EINVAL
 * @see listen(2)
 */
export function listenOnSocket(fd: Fd, backlog: Count): void {
  checked(c.listen(fd, backlog), { syscall: 'listen', fd });
}

/**
 * Shuts a listening socket down: no process that shares it can accept on it any more, and its address is free. A socket
 * that does not listen stays as it is.
 *
 * @throws SystemError EBADF, ENOTSOCK
 * @see shutdown(2)
 */
export function shutDownSocket(fd: Fd): void {
  try {
    checked(c.shutdown(fd, SHUT_RDWR), { syscall: 'shutdown', fd });
  } catch (error) {
    if (!hasCode(error, 'ENOTCONN')) throw error;
  }
}

/**
 * The address that a socket is bound to.
 *
 * @returns undefined for a family other than unix, IPv4 and IPv6
 * @throws SystemError EBADF, ENOTSOCK
 */
export function socketName(fd: Fd): SocketAddress | undefined {
  const bytes = Buffer.alloc(SOCKADDR_STORAGE_SIZE);
  const length = nativeInt32(bytes.length);
  checked(c.getsockname(fd, bytes, length), { syscall: 'getsockname', fd });
  return decodeSocketAddress(bytes.subarray(0, readUInt32(length, 0)));
}

/** Lets a port be bound again while old connections of it are in TIME_WAIT. See socket(7). */
export function setReuseAddress(fd: Fd): void {
  setIntegerOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/** Makes an IPv6 socket on `::` serve IPv4 too, whatever net.ipv6.bindv6only says. See ipv6(7). */
export function acceptIpv4Too(fd: Fd): void {
  setIntegerOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
}

/**
 * Reads an option that is a struct or an integer.
 *
 * @returns as many bytes as the kernel filled in, at most `size`
 * @throws SystemError ENOPROTOOPT, EOPNOTSUPP, ENOTSOCK
 */
export function socketOption(fd: Fd, level: number, name: number, size: number): Buffer {
  const value = Buffer.alloc(size);
  const length = nativeInt32(size);
  checked(c.getsockopt(fd, level, name, value, length), { syscall: 'getsockopt', fd });
  return value.subarray(0, readUInt32(length, 0));
}

function setIntegerOption(fd: Fd, level: number, name: number, value: number): void {
  const bytes = nativeInt32(value);
  checked(c.setsockopt(fd, level, name, bytes, bytes.length), { syscall: 'setsockopt', fd });
}
