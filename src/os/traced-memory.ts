import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import type { Bytes, Fd, Pid } from '../units.js';
import { hasCode } from './libc.js';

/** Another process's memory, to read from. */
export interface ProcessMemory {
  /** @returns the number of bytes read; fewer than asked for where no more is mapped there, or the process has ended */
  readonly read: (address: number, into: Buffer) => Bytes;
  readonly close: () => void;
}

/**
 * @throws the system's error: EACCES or EPERM without the right to trace that process, ENOENT where it has ended
 * @see proc(5) /proc/PID/mem, ptrace(2) "Ptrace access mode checking"
 */
export function openProcessMemory(pid: Pid): ProcessMemory {
  const fd: Fd = openSync(`/proc/${pid}/mem`, 'r');
  return {
    read: (address, into) => {
      try {
        return readSync(fd, into, 0, into.length, address);
      } catch (error) {
        if (hasCode(error, 'EIO', 'EFAULT', 'ESRCH')) return 0;
        throw error;
      }
    },
    close: () => closeSync(fd),
  };
}

/** /proc/PID/maps. @throws the system's error, as for its memory */
export function processMaps(pid: Pid): string {
  return readFileSync(`/proc/${pid}/maps`, 'latin1');
}

/** Path of the program that the process runs, as /proc/PID/maps names it too. @throws the system's error */
export function processProgram(pid: Pid): string {
  return readlinkSync(`/proc/${pid}/exe`, 'latin1');
}

/** Opens the program's file, even if its path has another file by now. @throws the system's error */
export function openProcessProgram(pid: Pid): {
  read: (position: number, length: Bytes) => Buffer;
  close: () => void;
} {
  const fd = openSync(`/proc/${pid}/exe`, 'r');
  return {
    read: (position, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
    },
    close: () => closeSync(fd),
  };
}
