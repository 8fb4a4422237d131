import { closeSync, fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { SystemError } from '../errors.js';
import type { Count, Fd } from '../units.js';
import { asSystemError, systemError } from './libc.js';
import { readInt32, readUInt32 } from './native-integers.js';
import {
  askAboutSocket,
  NLMSG_ERROR,
  netlinkMessage,
  UDIAG_SHOW_RQLEN,
  UNIX_DIAG_RQLEN,
  unixAttribute,
  unixQuestion,
} from './netlink.js';
import { isReadable } from './poll.js';
import { openStreamSocket, socketName, socketOption } from './socket.js';
import type { SocketAddress } from './socket-address.js';
import { IPPROTO_TCP } from './socket-constants.js';

const TCP_INFO = 11;
/** `struct tcp_info`: on a listening socket these two fields mean the queue and its limit. */
const TCPI_UNACKED_OFFSET = 24;
const TCPI_SACKED_OFFSET = 28;
const TCPI_NEEDED_BYTES = 32;

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
  // There may be no number: a seccomp filter, a kernel without sock_diag, too few descriptors or too little memory. A
  // client that waits must be seen all the same.
  return queue instanceof SystemError ? { length: isReadable(fd) ? 1 : 0, limit: 0 } : queue;
}

/**
 * Why the kernel does not tell the queue of a socket of that family, for a line in the log at the start; undefined
 * where it does, or where there are no such sockets.
 */
export function listenQueueFailure(family: SocketAddress['family']): SystemError | undefined {
  let fd: Fd;
  try {
    fd = openStreamSocket(family);
  } catch {
    return undefined; // without sockets of that family there is no queue to know
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

function unixQueue(fd: Fd): ListenQueue {
  const answer = decodeUnixDiagAnswer(askAboutSocket(unixQuestion(fstatSync(fd).ino, UDIAG_SHOW_RQLEN)));
  if (answer?.queue === undefined)
    throw systemError(answer?.errno ?? constants.errno.EOPNOTSUPP, { syscall: 'sock_diag', fd });
  return answer.queue;
}

/** The queue, or why the kernel tells none: it refused, or left the attribute out. */
export type UnixDiagAnswer =
  | { readonly sequence: number; readonly queue: ListenQueue }
  | { readonly sequence: number; readonly queue: undefined; readonly errno: number };

/** @returns undefined for bytes that are no netlink message */
export function decodeUnixDiagAnswer(bytes: Buffer): UnixDiagAnswer | undefined {
  const message = netlinkMessage(bytes);
  if (message === undefined) return undefined;
  const { type, sequence, body } = message;
  const lengths = unixAttribute(message, UNIX_DIAG_RQLEN);
  if (lengths !== undefined && lengths.length >= 8)
    return { sequence, queue: { length: readUInt32(lengths, 0), limit: readUInt32(lengths, 4) } };
  const isRefused = type === NLMSG_ERROR && body.length >= 4;
  return { sequence, queue: undefined, errno: isRefused ? -readInt32(body, 0) : constants.errno.EOPNOTSUPP };
}
