import { closeSync, fstatSync } from 'node:fs';
import type { Bytes, Count, Fd } from '../units.js';
import { checked, libcFunction } from './libc.js';
import { readUInt16, readUInt32, writeUInt16, writeUInt32 } from './native-integers.js';
import { socketName } from './socket.js';
import type { SocketAddress } from './socket-address.js';

// <linux/netlink.h>, <linux/sock_diag.h>, <linux/unix_diag.h>, <linux/inet_diag.h>.
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NLMSG_DONE = 3;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
const TCP_ESTABLISHED = 1;
const TCP_CLOSE_WAIT = 8;
/** `struct inet_diag_req_v2` and `struct inet_diag_msg`. */
const INET_REQUEST_SIZE = 16 + 56;
const INET_MESSAGE_SIZE = 72;
const IDIAG_STATE_OFFSET = 1;
const IDIAG_RQUEUE_OFFSET = 56;
const IDIAG_INODE_OFFSET = 68;
const UDIAG_SHOW_ICONS = 0x08;
const UDIAG_SHOW_RQLEN = 0x10;
const UNIX_DIAG_ICONS = 3;
const UNIX_DIAG_RQLEN = 4;
const ANY = 0xffffffff;
const MSG_DONTWAIT = 0x40;
const NETLINK_HEADER_SIZE = 16;
const UNIX_REQUEST_SIZE = NETLINK_HEADER_SIZE + 24;
const MESSAGE_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;
const WORD = 4;
/** Of a client that has left a unix queue, and of a TCP connection that nobody has accepted. */
const NO_INODE = 0;
/** The longest queue whose answer is read whole has some 16,000 clients. */
const ANSWER_ROOM = 65536;
/** How many clients at the end of the queue are looked at: some 10 us each. */
const MOST_LOOKED_AT: Count = 64;

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

/**
 * Those in a listen queue, counted up to the last one that has sent something: they are accepted in their order. Of a TCP
 * queue the kernel does not tell the order: there it is all of them, or none. Who has left again is not counted: a worker
 * is done with it at once.
 *
 * @returns 0 where nobody in it has sent anything; undefined where the kernel does not tell
 * @throws SystemError EBADF
 * @see sock_diag(7): UNIX_DIAG_ICONS, the clients of a listening socket; the second word of UNIX_DIAG_RQLEN, of a client:
 *   bytes that it has sent and nobody has read; inet_diag_msg
 */
export function queuedUpToLastSpeaker(fd: Fd): Count | undefined {
  const address = socketName(fd);
  let diagnosis: Fd | undefined;
  try {
    diagnosis = checked(c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG), { syscall: 'socket' });
    if (address === undefined) return undefined;
    return address.family === 'unix' ? unixSpeakers(diagnosis, fd) : tcpSpeakers(diagnosis, address);
  } catch {
    return undefined; // no netlink, no descriptor, no memory: then each counts
  } finally {
    if (diagnosis !== undefined) closeSync(diagnosis);
  }
}

function unixSpeakers(diagnosis: Fd, fd: Fd): Count | undefined {
  const clients = askUnix(diagnosis, fstatSync(fd).ino, UDIAG_SHOW_ICONS, UNIX_DIAG_ICONS);
  if (clients === undefined) return undefined;
  const inodes = Array.from({ length: Math.floor(clients.length / WORD) }, (_, i) =>
    readUInt32(clients, i * WORD),
  ).filter((inode) => inode !== NO_INODE);
  const first = Math.max(0, inodes.length - MOST_LOOKED_AT);
  for (let i = inodes.length; i > first; i--) if (hasSpoken(diagnosis, inodes[i - 1] ?? NO_INODE)) return i;
  return first;
}

function hasSpoken(diagnosis: Fd, client: number): boolean {
  const lengths = askUnix(diagnosis, client, UDIAG_SHOW_RQLEN, UNIX_DIAG_RQLEN);
  return lengths !== undefined && lengths.length >= 2 * WORD && readUInt32(lengths, WORD) > 0;
}

/** @returns that attribute of that socket; undefined if there is no such socket or attribute */
function askUnix(diagnosis: Fd, inode: number, show: number, attribute: number): Buffer | undefined {
  const request = requestOf(UNIX_REQUEST_SIZE, NLM_F_REQUEST);
  request[NETLINK_HEADER_SIZE] = AF_UNIX;
  writeUInt32(request, ANY, NETLINK_HEADER_SIZE + 4); // udiag_states
  writeUInt32(request, inode, NETLINK_HEADER_SIZE + 8);
  writeUInt32(request, show, NETLINK_HEADER_SIZE + 12);
  writeUInt32(request, ANY, NETLINK_HEADER_SIZE + 16); // udiag_cookie: any
  writeUInt32(request, ANY, NETLINK_HEADER_SIZE + 20);
  checked(c.send(diagnosis, request, request.length, 0), { syscall: 'send', fd: diagnosis });
  return attributeOf(receive(diagnosis), attribute);
}

/** Of all connections of that port, those that nobody has accepted: they have no inode. */
function tcpSpeakers(diagnosis: Fd, { family, port }: TcpAddress): Count | undefined {
  const request = requestOf(INET_REQUEST_SIZE, NLM_F_REQUEST | NLM_F_DUMP);
  request[NETLINK_HEADER_SIZE] = family === 'ipv4' ? AF_INET : AF_INET6;
  request[NETLINK_HEADER_SIZE + 1] = IPPROTO_TCP;
  writeUInt32(request, (1 << TCP_ESTABLISHED) | (1 << TCP_CLOSE_WAIT), NETLINK_HEADER_SIZE + 4);
  request.writeUInt16BE(port, NETLINK_HEADER_SIZE + 8); // idiag_sport
  checked(c.send(diagnosis, request, request.length, 0), { syscall: 'send', fd: diagnosis });
  let queued = 0;
  let hasSpeaker = false;
  for (;;) {
    const bytes = receive(diagnosis);
    for (let at = 0; at + NETLINK_HEADER_SIZE <= bytes.length; ) {
      const size = readUInt32(bytes, at);
      const type = readUInt16(bytes, at + 4);
      if (type === NLMSG_DONE) return hasSpeaker ? queued : 0;
      if (type !== SOCK_DIAG_BY_FAMILY || size < NETLINK_HEADER_SIZE + INET_MESSAGE_SIZE) return undefined;
      const message = bytes.subarray(at + NETLINK_HEADER_SIZE, at + size);
      at += (size + 3) & ~3;
      if (readUInt32(message, IDIAG_INODE_OFFSET) !== NO_INODE) continue;
      // The end of what a client sends counts as a byte.
      const end = message[IDIAG_STATE_OFFSET] === TCP_CLOSE_WAIT ? 1 : 0;
      const sent = readUInt32(message, IDIAG_RQUEUE_OFFSET) - end;
      if (sent > 0) hasSpeaker = true;
      if (sent > 0 || end === 0) queued++;
    }
    if (bytes.length === 0) return undefined;
  }
}

type TcpAddress = Exclude<SocketAddress, { family: 'unix' }>;

/** `nlmsghdr`, and room. */
function requestOf(size: Bytes, flags: number): Buffer {
  const request = Buffer.alloc(size);
  writeUInt32(request, size, 0);
  writeUInt16(request, SOCK_DIAG_BY_FAMILY, 4);
  writeUInt16(request, flags, 6);
  return request;
}

const answer = Buffer.alloc(ANSWER_ROOM);

/** The kernel answers within send(2), and goes on within recv(2). */
function receive(diagnosis: Fd): Buffer {
  const length = checked(c.recv(diagnosis, answer, answer.length, MSG_DONTWAIT), {
    syscall: 'recv',
    fd: diagnosis,
  });
  return answer.subarray(0, length);
}

function attributeOf(bytes: Buffer, wanted: number): Buffer | undefined {
  const end = bytes.length < NETLINK_HEADER_SIZE ? 0 : Math.min(readUInt32(bytes, 0), bytes.length);
  if (end < NETLINK_HEADER_SIZE || readUInt16(bytes, 4) !== SOCK_DIAG_BY_FAMILY) return undefined;
  let at = NETLINK_HEADER_SIZE + MESSAGE_SIZE;
  while (at + ATTRIBUTE_HEADER_SIZE <= end) {
    const length = readUInt16(bytes, at);
    if (length < ATTRIBUTE_HEADER_SIZE || at + length > end) return undefined;
    if (readUInt16(bytes, at + 2) === wanted) return bytes.subarray(at + ATTRIBUTE_HEADER_SIZE, at + length);
    at += (length + 3) & ~3; // attributes are aligned to 4
  }
  return undefined;
}
