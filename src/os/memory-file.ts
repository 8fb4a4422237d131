import { closeSync, ftruncateSync } from 'node:fs';
import type { Bytes, Fd } from '../units.js';
import { checked, libcFunction } from './libc.js';

// <sys/mman.h> and <fcntl.h> on Linux.
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;

const c = {
  memfd_create: libcFunction<(name: string, flags: number) => number>(
    'int memfd_create(const char *name, unsigned int flags)',
  ),
  fcntl: libcFunction<(fd: Fd, command: number, type: 'int', argument: number) => number>(
    'int fcntl(int fd, int cmd, ...)',
  ),
};

/**
 * A file in memory only, full of zeros, closed on exec, whose size is sealed. The seals matter where a process with
 * fewer rights maps it too: if it could shorten the file, every other process that reads the mapping would get SIGBUS.
 *
 * @param name shown in /proc/PID/maps; no meaning otherwise
 * @throws SystemError EMFILE, ENFILE, ENOMEM
 * @see memfd_create(2), fcntl(2) "File Sealing"
 */
export function createMemoryFile(name: string, size: Bytes): Fd {
  const fd = checked(c.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), {
    syscall: 'memfd_create',
    path: name,
  });
  try {
    ftruncateSync(fd, size);
    const seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    checked(c.fcntl(fd, F_ADD_SEALS, 'int', seals), { syscall: 'fcntl', fd });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}
