import { constants } from 'node:fs';
import type { Fd } from '../units.js';
import { checked, libcFunction, retryInterrupted } from './libc.js';

/** <fcntl.h> on Linux: opens a handle on a file of any type without reading or writing it, and never waits. */
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** <limits.h>: readlinkat(2) cuts a longer target. */
const PATH_MAX = 4096;

const c = {
  openat: libcFunction<(folder: Fd, name: string, flags: number, type: 'uint', mode: number) => number>(
    'int openat(int dirfd, const char *pathname, int flags, ...)',
  ),
  readlinkat: libcFunction<(folder: Fd, name: string, target: Buffer, size: number) => number>(
    'long readlinkat(int dirfd, const char *pathname, void *buf, unsigned long bufsiz)',
  ),
};

/**
 * Opens a name of a folder that is open; closed on exec.
 *
 * @param folder opened with {@link O_PATH}, or any descriptor where `name` is an absolute path
 * @param mode of a file that is made
 * @throws SystemError
 * @see openat(2)
 */
export function openAt(folder: Fd, name: string, flags: number, mode = 0): Fd {
  return checked(
    retryInterrupted(() => c.openat(folder, name, flags | O_CLOEXEC, 'uint', mode)),
    { syscall: 'openat', path: name },
  );
}

/** The folder at the root of this process. */
export function openRootFolder(): Fd {
  return openAt(-1, '/', O_PATH | constants.O_DIRECTORY);
}

/**
 * The target of a symbolic link.
 *
 * @param link opened with {@link O_PATH} and O_NOFOLLOW
 * @throws SystemError ENOENT or EINVAL if it is no symbolic link
 * @see readlinkat(2)
 */
export function readLink(link: Fd): string {
  const target = Buffer.alloc(PATH_MAX);
  const length = checked(c.readlinkat(link, '', target, target.length), { syscall: 'readlinkat', fd: link });
  return target.toString('utf8', 0, length);
}
