import type { Fd } from '../units.js';
import { readInt32 } from './native-integers.js';
import { socketOption } from './socket.js';
import { SOCK_STREAM, SOL_SOCKET } from './socket-constants.js';

const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;

/**
 * Whether connections can be accepted on it.
 *
 * @throws SystemError EBADF, ENOTSOCK
 * @see socket(7) SO_ACCEPTCONN
 */
export function isListeningStream(fd: Fd): boolean {
  const option = (name: number) => readInt32(socketOption(fd, SOL_SOCKET, name, 4), 0);
  return option(SO_TYPE) === SOCK_STREAM && option(SO_ACCEPTCONN) === 1;
}
