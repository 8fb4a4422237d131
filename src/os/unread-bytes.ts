import type { Bytes, Fd } from '../units.js';
import { checked, libcFunction } from './libc.js';
import { nativeInt32, readUInt32 } from './native-integers.js';

// <asm-generic/ioctls.h> on Linux.
const FIONREAD = 0x541b;

const c = {
  ioctl: libcFunction<(fd: Fd, request: number, type: 'void *', value: Buffer) => number>(
    'int ioctl(int fd, unsigned long request, ...)',
  ),
};

/**
 * Bytes that wait to be received; of a socket for packets, in all packets together.
 *
 * @throws SystemError ENOTTY
 * @see unix(7) SIOCINQ, the same number
 */
export function unreadBytes(fd: Fd): Bytes {
  const value = nativeInt32(0);
  checked(c.ioctl(fd, FIONREAD, 'void *', value), { syscall: 'ioctl', fd });
  return readUInt32(value, 0);
}
