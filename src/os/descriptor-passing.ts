import koffi from 'koffi';
import type { Fd } from '../units.js';
import { checked, libcFunction, retryInterrupted } from './libc.js';
import { nativeInt32, writeUInt32 } from './native-integers.js';
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
} from './socket-constants.js';

// <sys/socket.h> on Linux, 64-bit.
const SCM_RIGHTS = 1;
/** `struct cmsghdr`: a size_t and two ints. */
const CONTROL_HEADER_SIZE = 16;
const CONTROL_ALIGNMENT = 8;

koffi.struct('iovec', { base: 'void *', length: 'size_t' });
koffi.struct('msghdr', {
  name: 'void *',
  nameLength: 'uint32_t',
  parts: 'iovec *',
  partCount: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
});

interface Message {
  readonly parts: readonly { readonly base: Buffer; readonly length: number }[];
  readonly partCount: number;
  readonly control: Buffer;
  readonly controlLength: number;
}

const c = {
  sendmsg: libcFunction<(fd: Fd, message: Message, flags: number) => number>(
    'intptr_t sendmsg(int sockfd, const msghdr *msg, int flags)',
  ),
  socketpair: libcFunction<(domain: number, type: number, protocol: number, ends: Int32Array) => number>(
    'int socketpair(int domain, int type, int protocol, void *sv)',
  ),
};

/**
 * Two connected stream sockets, closed on exec.
 *
 * @throws SystemError EMFILE, ENFILE
 * @see socketpair(2)
 */
export function openSocketPair(): [Fd, Fd] {
  return openPair(SOCK_STREAM);
}

/**
 * Like {@link openSocketPair}; each message arrives as a whole, and alone.
 *
 * @throws SystemError EMFILE, ENFILE
 */
export function openPacketPair(): [Fd, Fd] {
  return openPair(SOCK_SEQPACKET);
}

function openPair(type: number): [Fd, Fd] {
  const ends = new Int32Array(2);
  checked(c.socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), { syscall: 'socketpair' });
  const [one = -1, other = -1] = ends;
  return [one, other];
}

/**
 * Sends bytes with copies of descriptors, in one piece, without waiting for room.
 *
 * @param fd a connected unix stream socket
 * @param bytes not empty, and few: a stream socket may take a part of many
 * @throws SystemError EAGAIN where the peer has not read what was sent before, EPIPE where it has gone, ETOOMANYREFS
 * @see unix(7) SCM_RIGHTS, cmsg(3)
 */
export function sendDescriptors(fd: Fd, bytes: Buffer, descriptors: readonly Fd[]): void {
  const payload = Buffer.concat(descriptors.map(nativeInt32));
  const length = CONTROL_HEADER_SIZE + payload.length;
  const control = Buffer.alloc(Math.ceil(length / CONTROL_ALIGNMENT) * CONTROL_ALIGNMENT);
  new BigUint64Array(control.buffer, control.byteOffset, 1)[0] = BigInt(length);
  writeUInt32(control, SOL_SOCKET, 8);
  writeUInt32(control, SCM_RIGHTS, 12);
  payload.copy(control, CONTROL_HEADER_SIZE);
  const message = {
    parts: [{ base: bytes, length: bytes.length }],
    partCount: 1,
    control,
    controlLength: control.length,
  };
  const send = () => c.sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
  checked(retryInterrupted(send), { syscall: 'sendmsg', fd });
}
