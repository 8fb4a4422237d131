import { fstatSync } from 'node:fs';
import { constants } from 'node:os';
import type { SystemError } from '../errors.js';
import type { Bytes, Fd } from '../units.js';
import { asSystemError, systemError } from './libc.js';
import { listenQueueFailure } from './listen-queue.js';
import { readUInt32, readUInt64, writeUInt32 } from './native-integers.js';
import {
  askAboutSocket,
  askAboutSockets,
  attributeOfUnix,
  netlinkMessage,
  unixAttribute,
  unixQuestion,
  unixRequest,
} from './netlink.js';
import { socketName } from './socket.js';
import { AF_INET, AF_INET6, encodeSocketAddress, type SocketAddress } from './socket-address.js';
import { IPPROTO_TCP } from './socket-constants.js';

// <linux/unix_diag.h>: `struct unix_diag_msg` and its attributes.
const UDIAG_SHOW_ICONS = 0x08;
const UNIX_DIAG_ICONS = 3;
const UNIX_MESSAGE_SIZE: Bytes = 16;
const UDIAG_INODE_OFFSET = 4;
// <linux/inet_diag.h>: `struct inet_diag_req_v2` and `struct inet_diag_msg`.
const INET_REQUEST_SIZE: Bytes = 56;
const INET_MESSAGE_SIZE: Bytes = 72;
const IDIAG_SRC_OFFSET = 8;
const IDIAG_COOKIE_OFFSET = 44;
const IDIAG_INODE_OFFSET = 68;
// <net/tcp_states.h>, for unix sockets as well.
const TCP_ESTABLISHED = 1;
export const TCP_CLOSE_WAIT = 8;
const TCP_LISTEN = 10;
const WORD: Bytes = 4;
/** A client that has left a unix queue has none, nor has a TCP connection that nobody has accepted. */
export const NO_INODE = 0;

/** What tells a client from all others for as long as it waits: an inode, or the kernel's cookie of the connection. */
export type QueuedClient = number | bigint;

/** The clients of one listen queue. */
export interface QueuedClients {
  /** The kernel tells the order of a unix queue, not of a TCP one. */
  readonly isOldestFirst: boolean;
  /** undefined: one that has left its place in a unix queue, which stays until it is accepted. */
  readonly clients: readonly (QueuedClient | undefined)[];
}

/**
 * Who waits to be accepted. Takes some 50 us, and some ms with many sockets on the machine.
 *
 * @param fd TCP or unix listening socket
 * @returns undefined where the kernel does not tell
 * @throws SystemError EBADF
 * @see sock_diag(7)
 */
export function queuedClients(fd: Fd): QueuedClients | undefined {
  const address = socketName(fd);
  if (address === undefined) return undefined;
  try {
    return address.family === 'unix' ? unixQueue(fd) : tcpQueue(address);
  } catch {
    return undefined; // no netlink, no descriptor, no memory
  }
}

/**
 * Why the kernel does not tell who waits at sockets of that family, for a line in the log at the start; undefined where
 * it does.
 */
export function queuedClientsFailure(family: SocketAddress['family']): SystemError | undefined {
  if (family === 'unix') return listenQueueFailure(family);
  try {
    // Any port will do: asked is whether there is an answer.
    const isTold = eachQueuedTcp(
      { family, host: family === 'ipv4' ? '127.0.0.1' : '::1', port: 1 },
      () => {},
    );
    return isTold ? undefined : systemError(constants.errno.EOPNOTSUPP, { syscall: 'sock_diag' });
  } catch (error) {
    return asSystemError(error);
  }
}

function unixQueue(fd: Fd): QueuedClients | undefined {
  const inodes = queuedUnixInodes(fd);
  return inodes && { isOldestFirst: true, clients: inodes.map((inode) => inode || undefined) };
}

/**
 * The inodes of the clients of a listening unix socket, in the order in which they will be accepted; 0 for one that has
 * left.
 *
 * @returns undefined where the kernel does not tell
 * @throws SystemError
 */
export function queuedUnixInodes(fd: Fd): number[] | undefined {
  const { ino } = fstatSync(fd);
  const answer = netlinkMessage(askAboutSocket(unixQuestion(ino, UDIAG_SHOW_ICONS)));
  const bytes = answer && unixAttribute(answer, UNIX_DIAG_ICONS);
  return bytes === undefined ? longUnixQueue(ino) : words(bytes);
}

/** The answer about a single socket is refused from some 1,000 clients on; the one about all of them has more room. */
function longUnixQueue(listener: number): number[] | undefined {
  let inodes: number[] | undefined;
  const request = unixRequest({ states: 1 << TCP_LISTEN, inode: 0, show: UDIAG_SHOW_ICONS });
  askAboutSockets(request, UNIX_MESSAGE_SIZE, (socket) => {
    if (readUInt32(socket, UDIAG_INODE_OFFSET) !== listener) return;
    const bytes = attributeOfUnix(socket, UNIX_DIAG_ICONS);
    if (bytes !== undefined) inodes = words(bytes);
  });
  return inodes;
}

function words(bytes: Buffer): number[] {
  return Array.from({ length: Math.floor(bytes.length / WORD) }, (_, i) => readUInt32(bytes, i * WORD));
}

type TcpAddress = Exclude<SocketAddress, { family: 'unix' }>;

function tcpQueue(address: TcpAddress): QueuedClients | undefined {
  const clients: bigint[] = [];
  const isWhole = eachQueuedTcp(address, (connection) => {
    clients.push(readUInt64(connection, IDIAG_COOKIE_OFFSET));
  });
  return isWhole ? { isOldestFirst: false, clients } : undefined;
}

/**
 * The connections to that address that nobody has accepted: they have no inode.
 *
 * @param take gets `struct inet_diag_msg` of each, whose memory is used again after the call
 * @returns whether the kernel told all
 * @throws SystemError
 */
export function eachQueuedTcp(address: TcpAddress, take: (connection: Buffer) => void): boolean {
  const request = Buffer.alloc(INET_REQUEST_SIZE);
  request[0] = address.family === 'ipv4' ? AF_INET : AF_INET6;
  request[1] = IPPROTO_TCP;
  writeUInt32(request, (1 << TCP_ESTABLISHED) | (1 << TCP_CLOSE_WAIT), 4);
  request.writeUInt16BE(address.port, 8); // idiag_sport
  const host = hostBytes(address);
  const isAnyHost = host.every((byte) => byte === 0);
  return askAboutSockets(request, INET_MESSAGE_SIZE, (connection) => {
    if (readUInt32(connection, IDIAG_INODE_OFFSET) !== NO_INODE) return;
    // Another pool may have the same port of another address.
    const to = connection.subarray(IDIAG_SRC_OFFSET, IDIAG_SRC_OFFSET + host.length);
    if (isAnyHost || to.equals(host)) take(connection);
  });
}

function hostBytes(address: TcpAddress): Buffer {
  const bytes = encodeSocketAddress(address);
  return address.family === 'ipv4' ? bytes.subarray(4, 8) : bytes.subarray(8, 24);
}
