import { closeSync, fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { SystemError } from '../errors.js';
import type { Count, Fd } from '../units.js';
import { asSystemError, checked, libcFunction, systemError } from './libc.js';
import { readInt32, readUInt16, readUInt32, writeUInt16, writeUInt32 } from './native-integers.js';
import { isReadable } from './poll.js';
import { openStreamSocket, socketName, socketOption } from './socket.js';
import type { SocketAddress } from './socket-address.js';

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** `struct tcp_info`: on a listening socket these two fields mean the queue and its limit. */
const TCPI_UNACKED_OFFSET = 24;
const TCPI_SACKED_OFFSET = 28;
const TCPI_NEEDED_BYTES = 32;

// <linux/netlink.h>, <linux/sock_diag.h>, <linux/unix_diag.h>.
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const AF_UNIX = 1;
const UDIAG_SHOW_RQLEN = 0x10;
const UNIX_DIAG_RQLEN = 4;
const NO_COOKIE = 0xffffffff;
const MSG_DONTWAIT = 0x40;
const NETLINK_HEADER_SIZE = 16;
const UNIX_DIAG_REQUEST_SIZE = NETLINK_HEADER_SIZE + 24;
const UNIX_DIAG_MESSAGE_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;
/** One answer is under 100 bytes. */
const ANSWER_ROOM = 1024;

const c = {
  socket: libcFunction<(domain: number, type: number, protocol: number) => number>(
    'int socket(int domain, int type, int protocol)',
  ),
  send: libcFunction<(fd: Fd, bytes: Buffer, length: number, flags: number) => number>(
    'intptr_t send(int sockfd, const void *buf, size_t len, int flags)',
  ),
  recv: libcFunction<(fd: Fd, bytes: Buffer, length: number, flags: number) => number>(
    'intptr_t recv(int sockfd, void *buf, size_t len, int flags)',
  ),
};

export interface ListenQueue {
  /** Connections that wait to be accepted; where the kernel does not tell how many, 1 is some. */
  readonly length: Count;
  /** How many may wait: the backlog, as the kernel cut it; 0 where it does not tell. */
  readonly limit: Count;
}

/**
 * Connections waiting to be accepted on a listening socket. Takes some 40 us.
 *
 * @param fd TCP or unix listening socket
 * @throws SystemError EBADF, ENOTSOCK
 * @see tcp(7) TCP_INFO; sock_diag(7), unix_diag_req
 */
export function listenQueue(fd: Fd): ListenQueue {
  const queue = askKernel(fd, socketName(fd)?.family);
  // A seccomp filter, a kernel or a container without it, descriptors or memory that are short: whatever keeps the number
  // from us, a client that waits must not go unseen.
  return queue instanceof SystemError ? { length: isReadable(fd) ? 1 : 0, limit: 0 } : queue;
}

/**
 * Why the kernel does not tell the queues of sockets of that family; undefined where it does, or where there are none.
 * For a word at the start.
 */
export function listenQueueFailure(family: SocketAddress['family']): SystemError | undefined {
  let fd: Fd;
  try {
    fd = openStreamSocket(family);
  } catch {
    return undefined; // no queue either: who listens on one is told
  }
  const queue = askKernel(fd, family);
  closeSync(fd);
  return queue instanceof SystemError ? queue : undefined;
}

function askKernel(fd: Fd, family: SocketAddress['family'] | undefined): ListenQueue | SystemError {
  try {
    return family === 'unix' ? unixQueue(fd) : tcpQueue(fd);
  } catch (error) {
    return asSystemError(error);
  }
}

function tcpQueue(fd: Fd): ListenQueue {
  const info = socketOption(fd, IPPROTO_TCP, TCP_INFO, TCPI_NEEDED_BYTES);
  if (info.length < TCPI_NEEDED_BYTES)
    throw systemError(constants.errno.ENOPROTOOPT, { syscall: 'getsockopt', fd });
  return { length: readUInt32(info, TCPI_UNACKED_OFFSET), limit: readUInt32(info, TCPI_SACKED_OFFSET) };
}

let diagSocket: Fd | undefined;
let lastSequence = 0;

function unixQueue(fd: Fd): ListenQueue {
  const inode = fstatSync(fd).ino;
  lastSequence = (lastSequence + 1) >>> 0;
  const request = encodeUnixDiagRequest(inode, lastSequence);
  diagSocket ??= checked(c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG), {
    syscall: 'socket',
    address: 'netlink',
  });
  checked(c.send(diagSocket, request, request.length, 0), { syscall: 'send', fd: diagSocket });
  const answer = readAnswer(diagSocket, lastSequence);
  if (answer.queue === undefined) throw systemError(answer.errno, { syscall: 'sock_diag', fd });
  return answer.queue;
}

/** The kernel answers within send(2), so there is nothing to wait for. */
function readAnswer(socket: Fd, sequence: number): UnixDiagAnswer {
  const answer = Buffer.alloc(ANSWER_ROOM);
  for (;;) {
    const length = checked(c.recv(socket, answer, answer.length, MSG_DONTWAIT), {
      syscall: 'recv',
      fd: socket,
    });
    const decoded = decodeUnixDiagAnswer(answer.subarray(0, length));
    // Another number is the answer to a question whose reading failed.
    if (decoded?.sequence === sequence) {
      return decoded;
    }
  }
}

/** `nlmsghdr` and `unix_diag_req` for one socket by its inode. */
export function encodeUnixDiagRequest(inode: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(UNIX_DIAG_REQUEST_SIZE);
  writeUInt32(bytes, bytes.length, 0);
  writeUInt16(bytes, SOCK_DIAG_BY_FAMILY, 4);
  writeUInt16(bytes, NLM_F_REQUEST, 6);
  writeUInt32(bytes, sequence, 8);
  bytes[NETLINK_HEADER_SIZE] = AF_UNIX;
  writeUInt32(bytes, NO_COOKIE, NETLINK_HEADER_SIZE + 4); // udiag_states: all
  writeUInt32(bytes, inode, NETLINK_HEADER_SIZE + 8);
  writeUInt32(bytes, UDIAG_SHOW_RQLEN, NETLINK_HEADER_SIZE + 12);
  writeUInt32(bytes, NO_COOKIE, NETLINK_HEADER_SIZE + 16);
  writeUInt32(bytes, NO_COOKIE, NETLINK_HEADER_SIZE + 20);
  return bytes;
}

/** The queue, or why the kernel tells none: it refused, or left the attribute out. */
export type UnixDiagAnswer =
  | { readonly sequence: number; readonly queue: ListenQueue }
  | { readonly sequence: number; readonly queue: undefined; readonly errno: number };

/** @returns undefined for bytes that are no netlink message */
export function decodeUnixDiagAnswer(bytes: Buffer): UnixDiagAnswer | undefined {
  if (bytes.length < NETLINK_HEADER_SIZE) {
    return undefined;
  }
  const end = Math.min(readUInt32(bytes, 0), bytes.length);
  const sequence = readUInt32(bytes, 8);
  const type = readUInt16(bytes, 4);
  const nothing = { sequence, queue: undefined, errno: constants.errno.EOPNOTSUPP } as const;
  if (type === NLMSG_ERROR && end >= NETLINK_HEADER_SIZE + 4) {
    return { ...nothing, errno: -readInt32(bytes, NETLINK_HEADER_SIZE) };
  }
  if (type !== SOCK_DIAG_BY_FAMILY) {
    return nothing;
  }
  let at = NETLINK_HEADER_SIZE + UNIX_DIAG_MESSAGE_SIZE;
  while (at + ATTRIBUTE_HEADER_SIZE <= end) {
    const length = readUInt16(bytes, at);
    if (length < ATTRIBUTE_HEADER_SIZE || at + length > end) {
      break;
    }
    if (readUInt16(bytes, at + 2) === UNIX_DIAG_RQLEN && length >= ATTRIBUTE_HEADER_SIZE + 8) {
      const length = readUInt32(bytes, at + ATTRIBUTE_HEADER_SIZE);
      const limit = readUInt32(bytes, at + ATTRIBUTE_HEADER_SIZE + 4);
      return { sequence, queue: { length, limit } };
    }
    at += (length + 3) & ~3; // attributes are aligned to 4
  }
  return nothing;
}
