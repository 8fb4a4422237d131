import { fstatSync } from 'node:fs';
import type { Count, Fd } from '../units.js';
import { checked, hasCode, libcFunction } from './libc.js';
import { readUInt16, readUInt32, writeUInt16, writeUInt32 } from './native-integers.js';
import { socketName, socketOption } from './socket.js';

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
  /** Connections that wait to be accepted. */
  readonly length: Count;
  /** How many may wait: the backlog, as the kernel cut it. */
  readonly limit: Count;
}

/**
 * Connections waiting to be accepted on a listening socket. Takes some 40 us.
 *
 * @param fd TCP or unix listening socket
 * @returns undefined where the kernel does not tell
 * @throws SystemError EBADF, ENOTSOCK
 * @see tcp(7) TCP_INFO; sock_diag(7), unix_diag_req
 */
export function listenQueue(fd: Fd): ListenQueue | undefined {
  return socketName(fd)?.family === 'unix' ? unixQueue(fd) : tcpQueue(fd);
}

function tcpQueue(fd: Fd): ListenQueue | undefined {
  const info = socketOption(fd, IPPROTO_TCP, TCP_INFO, TCPI_NEEDED_BYTES);
  if (info.length < TCPI_NEEDED_BYTES) {
    return undefined;
  }
  return { length: readUInt32(info, TCPI_UNACKED_OFFSET), limit: readUInt32(info, TCPI_SACKED_OFFSET) };
}

let diagSocket: Fd | undefined;
let lastSequence = 0;

function unixQueue(fd: Fd): ListenQueue | undefined {
  const inode = fstatSync(fd).ino;
  lastSequence = (lastSequence + 1) >>> 0;
  const request = encodeUnixDiagRequest(inode, lastSequence);
  try {
    diagSocket ??= checked(c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG), { syscall: 'socket' });
    checked(c.send(diagSocket, request, request.length, 0), { syscall: 'send', fd: diagSocket });
    return readAnswer(diagSocket, lastSequence);
  } catch (error) {
    // A kernel or a container without sock_diag: nobody can tell then.
    if (hasCode(error, 'EPROTONOSUPPORT', 'EAFNOSUPPORT', 'EPERM', 'EACCES', 'ENOENT', 'EAGAIN')) {
      return undefined;
    }
    throw error;
  }
}

/** The kernel answers within send(2), so there is nothing to wait for. */
function readAnswer(socket: Fd, sequence: number): ListenQueue | undefined {
  const answer = Buffer.alloc(ANSWER_ROOM);
  for (;;) {
    const length = checked(c.recv(socket, answer, answer.length, MSG_DONTWAIT), {
      syscall: 'recv',
      fd: socket,
    });
    const decoded = decodeUnixDiagAnswer(answer.subarray(0, length));
    // Another number is the answer to a question whose reading failed.
    if (decoded?.sequence === sequence) {
      return decoded.queue;
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

export interface UnixDiagAnswer {
  readonly sequence: number;
  /** undefined if the kernel refused, or left the attribute out. */
  readonly queue: ListenQueue | undefined;
}

/** @returns undefined for bytes that are no netlink message */
export function decodeUnixDiagAnswer(bytes: Buffer): UnixDiagAnswer | undefined {
  if (bytes.length < NETLINK_HEADER_SIZE) {
    return undefined;
  }
  const end = Math.min(readUInt32(bytes, 0), bytes.length);
  const sequence = readUInt32(bytes, 8);
  if (readUInt16(bytes, 4) !== SOCK_DIAG_BY_FAMILY) {
    return { sequence, queue: undefined };
  }
  let at = NETLINK_HEADER_SIZE + UNIX_DIAG_MESSAGE_SIZE;
  while (at + ATTRIBUTE_HEADER_SIZE <= end) {
    const length = readUInt16(bytes, at);
    if (length < ATTRIBUTE_HEADER_SIZE || at + length > end) {
      break;
    }
    if (readUInt16(bytes, at + 2) === UNIX_DIAG_RQLEN && length >= ATTRIBUTE_HEADER_SIZE + 8) {
      const length = readUInt32(bytes, at + ATTRIBUTE_HEADER_SIZE);
      return { sequence, queue: { length, limit: readUInt32(bytes, at + ATTRIBUTE_HEADER_SIZE + 4) } };
    }
    at += (length + 3) & ~3; // attributes are aligned to 4
  }
  return { sequence, queue: undefined };
}
