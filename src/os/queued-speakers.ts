import { fstatSync } from 'node:fs';
import type { Bytes, Count, Fd } from '../units.js';
import { readUInt32, writeUInt32 } from './native-integers.js';
import { askAboutSocket, askAboutSockets, netlinkMessage, unixAttribute, unixQuestion } from './netlink.js';
import { socketName } from './socket.js';
import { AF_INET, AF_INET6, type SocketAddress } from './socket-address.js';

// <linux/unix_diag.h>
const UDIAG_SHOW_ICONS = 0x08;
const UDIAG_SHOW_RQLEN = 0x10;
const UNIX_DIAG_ICONS = 3;
const UNIX_DIAG_RQLEN = 4;
// <linux/inet_diag.h>: `struct inet_diag_req_v2` and `struct inet_diag_msg`.
const INET_REQUEST_SIZE: Bytes = 56;
const INET_MESSAGE_SIZE: Bytes = 72;
const IDIAG_STATE_OFFSET = 1;
const IDIAG_RQUEUE_OFFSET = 56;
const IDIAG_INODE_OFFSET = 68;
const IPPROTO_TCP = 6;
const TCP_ESTABLISHED = 1;
const TCP_CLOSE_WAIT = 8;
const WORD: Bytes = 4;
/** A client that has left a unix queue has none, nor has a TCP connection that nobody has accepted. */
const NO_INODE = 0;
/** How many clients at the end of the queue are asked about: some 10 us each. */
const MOST_LOOKED_AT: Count = 64;

/**
 * How many clients of a listen queue there are up to the last one that has sent something: they are accepted in their
 * order. The kernel does not tell the order of a TCP queue: there it is all of them, or none. Who has left again is not
 * counted: a worker is done with it at once.
 *
 * @returns 0 where nobody in it has sent anything; undefined where the kernel does not tell
 * @throws SystemError EBADF
 * @see sock_diag(7): UNIX_DIAG_ICONS, the clients of a listening socket; the second word of UNIX_DIAG_RQLEN, of a
 *   client: bytes that it has sent and nobody has read; inet_diag_msg
 */
export function queuedUpToLastSpeaker(fd: Fd): Count | undefined {
  const address = socketName(fd);
  if (address === undefined) return undefined;
  try {
    return address.family === 'unix' ? unixSpeakers(fd) : tcpSpeakers(address);
  } catch {
    return undefined; // no netlink, no descriptor, no memory: then each counts
  }
}

function unixSpeakers(fd: Fd): Count | undefined {
  const clients = unixWords(fstatSync(fd).ino, UDIAG_SHOW_ICONS, UNIX_DIAG_ICONS);
  const inodes = clients?.filter((inode) => inode !== NO_INODE);
  if (inodes === undefined) return undefined;
  const first = Math.max(0, inodes.length - MOST_LOOKED_AT);
  for (let i = inodes.length; i > first; i--) if (hasSpoken(inodes[i - 1] ?? NO_INODE)) return i;
  return first;
}

function hasSpoken(client: number): boolean {
  const [, unread = 0] = unixWords(client, UDIAG_SHOW_RQLEN, UNIX_DIAG_RQLEN) ?? [];
  return unread > 0;
}

/** @returns that attribute of that socket; undefined if there is no such socket or attribute */
function unixWords(inode: number, show: number, attribute: number): number[] | undefined {
  const answer = netlinkMessage(askAboutSocket(unixQuestion(inode, show)));
  const bytes = answer === undefined ? undefined : unixAttribute(answer, attribute);
  if (bytes === undefined) return undefined;
  return Array.from({ length: Math.floor(bytes.length / WORD) }, (_, i) => readUInt32(bytes, i * WORD));
}

type TcpAddress = Exclude<SocketAddress, { family: 'unix' }>;

/** All connections of that port that nobody has accepted: they have no inode. */
function tcpSpeakers({ family, port }: TcpAddress): Count | undefined {
  const request = Buffer.alloc(INET_REQUEST_SIZE);
  request[0] = family === 'ipv4' ? AF_INET : AF_INET6;
  request[1] = IPPROTO_TCP;
  writeUInt32(request, (1 << TCP_ESTABLISHED) | (1 << TCP_CLOSE_WAIT), 4);
  request.writeUInt16BE(port, 8); // idiag_sport
  let queued = 0;
  let hasSpeaker = false;
  const isWhole = askAboutSockets(request, INET_MESSAGE_SIZE, (connection) => {
    if (readUInt32(connection, IDIAG_INODE_OFFSET) !== NO_INODE) return;
    // The end of what a client sends counts as a byte.
    const end = connection[IDIAG_STATE_OFFSET] === TCP_CLOSE_WAIT ? 1 : 0;
    const sent = readUInt32(connection, IDIAG_RQUEUE_OFFSET) - end;
    if (sent > 0) hasSpeaker = true;
    if (sent > 0 || end === 0) queued++;
  });
  if (!isWhole) return undefined;
  return hasSpeaker ? queued : 0;
}
