import { closeSync } from 'node:fs';
import type { Bytes, Fd } from '../units.js';
import { checked, libcFunction } from './libc.js';
import { readUInt16, readUInt32, writeUInt16, writeUInt32 } from './native-integers.js';
import { AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC } from './socket-constants.js';

// Questions to the kernel about sockets: sock_diag(7), netlink(7). One socket serves all of them, for the life of the
// process. Numbers are of <linux/netlink.h>, <linux/sock_diag.h> and <linux/unix_diag.h>.

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
export const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const SEQUENCE_OFFSET: Bytes = 8;
const HEADER_SIZE: Bytes = 16;
const ATTRIBUTE_HEADER_SIZE: Bytes = 4;

/** `show` of a question about a unix socket, and the attribute that it brings: the lengths of its queue. */
export const UDIAG_SHOW_RQLEN = 0x10;
export const UNIX_DIAG_RQLEN = 4;
const UNIX_DIAG_REQUEST_SIZE: Bytes = 24;
const UNIX_DIAG_MESSAGE_SIZE: Bytes = 16;
/** All states, any cookie. */
const ANY = 0xffffffff;

/** The kernel describes at most 32 KiB at a time. */
const ANSWER_ROOM: Bytes = 65536;

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

/** `struct nlmsghdr` and what follows it. */
export interface NetlinkMessage {
  readonly type: number;
  /** Number of the question that it answers. */
  readonly sequence: number;
  readonly body: Buffer;
  /** Length of header and body as the header says; `body` may be shorter. */
  readonly size: Bytes;
}

/** @returns undefined for bytes that are no netlink message; the body is cut where they end */
export function netlinkMessage(bytes: Buffer): NetlinkMessage | undefined {
  if (bytes.length < HEADER_SIZE) return undefined;
  const size = readUInt32(bytes, 0);
  return {
    type: readUInt16(bytes, 4),
    sequence: readUInt32(bytes, SEQUENCE_OFFSET),
    body: bytes.subarray(HEADER_SIZE, Math.max(HEADER_SIZE, Math.min(size, bytes.length))),
    size,
  };
}

/** The question about one unix socket by its inode: `nlmsghdr` and `unix_diag_req`. */
export function unixQuestion(inode: number, show: number): Buffer {
  const question = emptyQuestion(UNIX_DIAG_REQUEST_SIZE, NLM_F_REQUEST);
  unixRequest({ states: ANY, inode, show }).copy(question, HEADER_SIZE);
  return question;
}

/** `struct unix_diag_req`; for {@link askAboutSockets} the inode is 0, and `states` are bits by number of the state. */
export function unixRequest(wanted: { states: number; inode: number; show: number }): Buffer {
  const request = Buffer.alloc(UNIX_DIAG_REQUEST_SIZE);
  request[0] = AF_UNIX;
  writeUInt32(request, wanted.states, 4);
  writeUInt32(request, wanted.inode, 8);
  writeUInt32(request, wanted.show, 12);
  writeUInt32(request, ANY, 16);
  writeUInt32(request, ANY, 20);
  return request;
}

/** @returns undefined where the answer is no description of a unix socket, or lacks that attribute */
export function unixAttribute({ type, body }: NetlinkMessage, wanted: number): Buffer | undefined {
  return type === SOCK_DIAG_BY_FAMILY ? attributeOfUnix(body, wanted) : undefined;
}

/** @param description of a unix socket: `unix_diag_msg` and what follows it */
export function attributeOfUnix(description: Buffer, wanted: number): Buffer | undefined {
  let at = UNIX_DIAG_MESSAGE_SIZE;
  while (at + ATTRIBUTE_HEADER_SIZE <= description.length) {
    const length = readUInt16(description, at);
    if (length < ATTRIBUTE_HEADER_SIZE || at + length > description.length) return undefined;
    if (readUInt16(description, at + 2) === wanted)
      return description.subarray(at + ATTRIBUTE_HEADER_SIZE, at + length);
    at += aligned(length);
  }
  return undefined;
}

let diagnosis: Fd | undefined;
let lastSequence = 0;
const room = Buffer.alloc(ANSWER_ROOM);

/**
 * Asks about one socket. Takes some 20 us.
 *
 * @returns the bytes of the answer, which the next question overwrites
 * @throws SystemError no netlink here, no descriptor, no memory, no answer
 */
export function askAboutSocket(question: Buffer): Buffer {
  const { fd, sequence } = send(question);
  for (;;) {
    const answer = receive(fd);
    // Another number is the answer to a question whose reading failed.
    if (answer.length >= HEADER_SIZE && readUInt32(answer, SEQUENCE_OFFSET) === sequence) return answer;
  }
}

/**
 * Asks about all sockets that the question fits.
 *
 * @param body of the question, behind its header: `inet_diag_req_v2`, say
 * @param leastBytes what the description of a socket has at least
 * @param take gets the description of each of them, whose memory is used again after the call
 * @returns whether the answer came whole
 * @throws SystemError as {@link askAboutSocket}
 */
export function askAboutSockets(
  body: Buffer,
  leastBytes: Bytes,
  take: (description: Buffer) => void,
): boolean {
  const question = emptyQuestion(body.length, NLM_F_REQUEST | NLM_F_DUMP);
  body.copy(question, HEADER_SIZE);
  const { fd, sequence } = send(question);
  let isWhole = false;
  try {
    while (!isWhole) {
      const answer = receive(fd);
      if (answer.length === 0) break;
      for (let at = 0; at < answer.length; ) {
        const message = netlinkMessage(answer.subarray(at));
        if (message === undefined || message.size < HEADER_SIZE) return false;
        at += aligned(message.size);
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_DONE) {
          isWhole = true;
          break;
        }
        if (message.type !== SOCK_DIAG_BY_FAMILY || message.body.length < leastBytes) return false;
        take(message.body);
      }
    }
    return isWhole;
  } finally {
    // The kernel takes no second question of this kind while it answers the first.
    if (!isWhole) closeDiagnosis();
  }
}

/** Numbers the question, so that its answer can be told from an older one's. */
function send(question: Buffer): { fd: Fd; sequence: number } {
  diagnosis ??= checked(c.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), {
    syscall: 'socket',
    address: 'netlink',
  });
  lastSequence = (lastSequence + 1) >>> 0;
  writeUInt32(question, lastSequence, SEQUENCE_OFFSET);
  checked(c.send(diagnosis, question, question.length, 0), { syscall: 'send', fd: diagnosis });
  return { fd: diagnosis, sequence: lastSequence };
}

/** The kernel answers within send(2), and goes on within recv(2): there is nothing to wait for. */
function receive(fd: Fd): Buffer {
  return room.subarray(0, checked(c.recv(fd, room, room.length, MSG_DONTWAIT), { syscall: 'recv', fd }));
}

function closeDiagnosis(): void {
  if (diagnosis !== undefined) closeSync(diagnosis);
  diagnosis = undefined;
}

/** Messages and attributes start at multiples of 4. */
function aligned(size: Bytes): Bytes {
  return Math.ceil(size / 4) * 4;
}

function emptyQuestion(bodySize: Bytes, flags: number): Buffer {
  const question = Buffer.alloc(HEADER_SIZE + bodySize);
  writeUInt32(question, question.length, 0);
  writeUInt16(question, SOCK_DIAG_BY_FAMILY, 4);
  writeUInt16(question, flags, 6);
  return question;
}
