import { isIPv4, SocketAddress as NodeSocketAddress } from 'node:net';
import { constants } from 'node:os';
import { systemError } from './libc.js';
import { readUInt16, readUInt32, writeUInt16, writeUInt32 } from './native-integers.js';
import { AF_UNIX } from './socket-constants.js';

/** `<sys/socket.h>`, Linux on every machine type. */
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Longest path of a unix socket, in bytes: `sun_path` of unix(7) less its final NUL. */
export const UNIX_PATH_MAX = 107;

const SOCKADDR_IN_SIZE = 16;
const SOCKADDR_IN6_SIZE = 28;
const SUN_PATH_OFFSET = 2;

/** Address of a socket. `host` is numeric, without brackets. */
export type SocketAddress =
  | { readonly family: 'unix'; readonly path: string }
  | { readonly family: 'ipv4'; readonly host: string; readonly port: number }
  | { readonly family: 'ipv6'; readonly host: string; readonly port: number; readonly scopeId?: number };

export const addressFamilies = { unix: AF_UNIX, ipv4: AF_INET, ipv6: AF_INET6 } as const;

/**
 * The kernel's form of an address: `sockaddr_un`, `sockaddr_in` or `sockaddr_in6`.
 *
 * @throws SystemError ENAMETOOLONG for a unix path over {@link UNIX_PATH_MAX} bytes
 */
export function encodeSocketAddress(address: SocketAddress): Buffer {
  switch (address.family) {
    case 'unix':
      return encodeUnix(address.path);
    case 'ipv4': {
      const bytes = Buffer.alloc(SOCKADDR_IN_SIZE);
      writeUInt16(bytes, AF_INET, 0);
      bytes.writeUInt16BE(address.port, 2);
      bytes.set(ipv4Bytes(address.host), 4);
      return bytes;
    }
    case 'ipv6': {
      const bytes = Buffer.alloc(SOCKADDR_IN6_SIZE);
      writeUInt16(bytes, AF_INET6, 0);
      bytes.writeUInt16BE(address.port, 2);
      bytes.set(ipv6Bytes(address.host), 8);
      writeUInt32(bytes, address.scopeId ?? 0, 24);
      return bytes;
    }
  }
}

/** @returns undefined for another family than these three, or for too few bytes */
export function decodeSocketAddress(bytes: Buffer): SocketAddress | undefined {
  if (bytes.length < SUN_PATH_OFFSET) return undefined;
  const family = readUInt16(bytes, 0);
  if (family === AF_UNIX) {
    const end = bytes.indexOf(0, SUN_PATH_OFFSET);
    return { family: 'unix', path: bytes.toString('utf8', SUN_PATH_OFFSET, end < 0 ? bytes.length : end) };
  }
  if (family === AF_INET && bytes.length >= SOCKADDR_IN_SIZE) {
    return { family: 'ipv4', host: bytes.subarray(4, 8).join('.'), port: bytes.readUInt16BE(2) };
  }
  if (family === AF_INET6 && bytes.length >= SOCKADDR_IN6_SIZE) {
    const scopeId = readUInt32(bytes, 24);
    const address = {
      family: 'ipv6',
      host: ipv6Text(bytes.subarray(8, 24)),
      port: bytes.readUInt16BE(2),
    } as const;
    return scopeId === 0 ? address : { ...address, scopeId };
  }
  return undefined;
}

/** `/run/www.sock`, `127.0.0.1:9000`, `::1:9000` (no brackets, as php-fpm names its sockets). */
export function socketAddressText(address: SocketAddress): string {
  return address.family === 'unix' ? address.path : `${address.host}:${address.port}`;
}

function encodeUnix(path: string): Buffer {
  const pathBytes = Buffer.from(path);
  if (pathBytes.length > UNIX_PATH_MAX) {
    throw systemError(constants.errno.ENAMETOOLONG, { syscall: 'bind', path });
  }
  const bytes = Buffer.alloc(SUN_PATH_OFFSET + pathBytes.length + 1);
  writeUInt16(bytes, AF_UNIX, 0);
  bytes.set(pathBytes, SUN_PATH_OFFSET);
  return bytes;
}

function ipv4Bytes(host: string): Uint8Array {
  return Uint8Array.from(host.split('.'), Number);
}

/** `host` in any notation that inet_pton(3) takes; node validates it and brings it to one form. */
function ipv6Bytes(host: string): Uint8Array {
  const canonical = new NodeSocketAddress({ family: 'ipv6', address: host }).address;
  const [head = '', tail] = canonical.split('::');
  const front = wordsOf(head);
  const back = tail === undefined ? [] : wordsOf(tail);
  const zeros: number[] = new Array(8 - front.length - back.length).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [index, word] of [...front, ...zeros, ...back].entries()) bytes.writeUInt16BE(word, index * 2);
  return bytes;
}

function wordsOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((piece) => {
    if (isIPv4(piece)) {
      const [a = 0, b = 0, c = 0, d = 0] = ipv4Bytes(piece);
      return [(a << 8) | b, (c << 8) | d];
    }
    return [Number.parseInt(piece, 16)];
  });
}

function ipv6Text(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new NodeSocketAddress({ family: 'ipv6', address: words.join(':') }).address;
}
