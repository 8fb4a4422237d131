import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { SystemError } from '../errors.js';
import type { Fd, Pid } from '../units.js';
import { asSystemError } from './libc.js';
import { readInt32, readUInt32 } from './native-integers.js';
import { openStreamSocket, socketOption } from './socket.js';
import { SOL_SOCKET } from './socket-constants.js';

const SO_PEERCRED = 17;
/** `struct ucred`: pid, uid, gid. */
const UCRED_SIZE = 12;

/** Who is at the other end of a unix socket, as the kernel noted it when the connection was made. */
export interface PeerCredentials {
  /** In this process's own pid namespace; 0 for a process outside it. */
  readonly pid: Pid;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The other end of a connected unix socket: the client that connected, or the server that called listen().
 *
 * @throws SystemError EBADF, ENOTSOCK
 * @see unix(7) SO_PEERCRED
 */
export function peerCredentials(fd: Fd): PeerCredentials {
  const bytes = socketOption(fd, SOL_SOCKET, SO_PEERCRED, UCRED_SIZE);
  return { pid: readInt32(bytes, 0), uid: readUInt32(bytes, 4), gid: readUInt32(bytes, 8) };
}

/** Why the kernel does not tell who is at the other end, a seccomp filter for example; undefined where it does. */
export function peerCredentialsFailure(): SystemError | undefined {
  const fd = openStreamSocket('unix');
  try {
    peerCredentials(fd);
    return undefined;
  } catch (error) {
    return asSystemError(error);
  } finally {
    closeSync(fd);
  }
}

/**
 * The descriptor behind a socket of Node's, which Node keeps to itself.
 *
 * @returns undefined for one that is closed
 */
export function descriptorOf(socket: Socket): Fd | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
