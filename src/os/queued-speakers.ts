import type { Count, Fd } from '../units.js';
import { readUInt32 } from './native-integers.js';
import {
  askAboutSocket,
  netlinkMessage,
  UDIAG_SHOW_RQLEN,
  UNIX_DIAG_RQLEN,
  unixAttribute,
  unixQuestion,
} from './netlink.js';
import { eachQueuedTcp, NO_INODE, queuedUnixInodes, TCP_CLOSE_WAIT } from './queued-clients.js';
import { socketName } from './socket.js';
import type { SocketAddress } from './socket-address.js';

/** The second word of UNIX_DIAG_RQLEN, of a client: bytes that it has sent and nobody has read. */
const SENT_OFFSET = 4;
// <linux/inet_diag.h>: `struct inet_diag_msg`.
const IDIAG_STATE_OFFSET = 1;
const IDIAG_RQUEUE_OFFSET = 56;
/** How many clients at the end of the queue are asked about: some 10 us each. */
const MOST_LOOKED_AT: Count = 64;

/**
 * How many clients of a listen queue there are up to the last one that has sent something: they are accepted in their
 * order. The kernel does not tell the order of a TCP queue: there it is all of them, or none. Who has left again is not
 * counted: a worker is done with it at once.
 *
 * @returns 0 where nobody in it has sent anything; undefined where the kernel does not tell
 * @throws SystemError EBADF
 * @see sock_diag(7): UNIX_DIAG_RQLEN, inet_diag_msg
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
  const inodes = queuedUnixInodes(fd)?.filter((inode) => inode !== NO_INODE);
  if (inodes === undefined) return undefined;
  const first = Math.max(0, inodes.length - MOST_LOOKED_AT);
  for (let i = inodes.length; i > first; i--) if (hasSpoken(inodes[i - 1] ?? NO_INODE)) return i;
  return first;
}

function hasSpoken(client: number): boolean {
  const answer = netlinkMessage(askAboutSocket(unixQuestion(client, UDIAG_SHOW_RQLEN)));
  const lengths = answer && unixAttribute(answer, UNIX_DIAG_RQLEN);
  return lengths !== undefined && readUInt32(lengths, SENT_OFFSET) > 0;
}

function tcpSpeakers(address: Exclude<SocketAddress, { family: 'unix' }>): Count | undefined {
  let queued = 0;
  let hasSpeaker = false;
  const isWhole = eachQueuedTcp(address, (connection) => {
    // The end of what a client sends counts as a byte.
    const end = connection[IDIAG_STATE_OFFSET] === TCP_CLOSE_WAIT ? 1 : 0;
    const sent = readUInt32(connection, IDIAG_RQUEUE_OFFSET) - end;
    if (sent > 0) hasSpeaker = true;
    if (sent > 0 || end === 0) queued++;
  });
  if (!isWhole) return undefined;
  return hasSpeaker ? queued : 0;
}
