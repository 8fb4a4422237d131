import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { checked, libcFunction, retryInterrupted, systemError } from './libc.js';
import { writeUInt16 } from './native-integers.js';
import { encodeSocketAddress } from './socket-address.js';
import { AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM } from './socket-constants.js';

const SUN_PATH_OFFSET = 2;
/** An abstract name fills `sun_path` up to its last byte; its first is the NUL that makes it abstract. */
const ABSTRACT_NAME_MAX = 107;

const c = {
  socket: libcFunction<(domain: number, type: number, protocol: number) => number>(
    'int socket(int domain, int type, int protocol)',
  ),
  sendto: libcFunction<
    (fd: number, bytes: Buffer, size: number, flags: number, address: Buffer, length: number) => number
  >(
    'intptr_t sendto(int sockfd, const void *buf, size_t len, int flags, const void *dest_addr, uint32_t addrlen)',
  ),
};

/**
 * Sends one datagram to a unix socket, without ever waiting for room there. Opens a socket for it and closes it
 * again: for senders of one datagram every few seconds, who need not keep a descriptor.
 *
 * @param address a path, or an abstract name behind `@`
 * @throws SystemError ENOENT, ECONNREFUSED where nobody listens, EAGAIN where the receiver's queue is full,
 *   EMSGSIZE, ENAMETOOLONG
 * @see unix(7), sendto(2)
 */
export function sendUnixDatagram(address: string, bytes: Buffer): void {
  const target = encodeUnixName(address);
  const fd = checked(c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), { syscall: 'socket' });
  try {
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const send = () => c.sendto(fd, bytes, bytes.length, flags, target, target.length);
    checked(retryInterrupted(send), { syscall: 'sendto', address });
  } finally {
    closeSync(fd);
  }
}

/**
 * `sockaddr_un` of a path, or of an abstract name written with `@` in front.
 *
 * @throws SystemError ENAMETOOLONG
 */
export function encodeUnixName(address: string): Buffer {
  if (!address.startsWith('@')) return encodeSocketAddress({ family: 'unix', path: address });
  const name = Buffer.from(address.slice(1));
  if (name.length > ABSTRACT_NAME_MAX)
    throw systemError(constants.errno.ENAMETOOLONG, { syscall: 'sendto', address });
  // No NUL at the end: it would be one more byte of the name.
  const bytes = Buffer.alloc(SUN_PATH_OFFSET + 1 + name.length);
  writeUInt16(bytes, AF_UNIX, 0);
  bytes.set(name, SUN_PATH_OFFSET + 1);
  return bytes;
}
