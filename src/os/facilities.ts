import { constants } from 'node:os';
import type { SystemError } from '../errors.js';
import { lastErrno, libcFunction, systemError } from './libc.js';

// Whether the kernel grants calls that no standard promises. The questions are calls that can do nothing, since what
// they name does not exist: a call that is known and allowed fails with an error that says so. A seccomp filter answers
// before the kernel looks at the arguments.

/** <asm-generic/unistd.h>: calls this young have one number on all machines. */
const SYS_CLOSE_RANGE = 436;
const PTRACE_SEIZE = 0x4206;
const PR_SET_PDEATHSIG = 1;
const P_PID = 1;
const WEXITED = 4;
/** A number that is no descriptor, no signal and no flag. */
const NOTHING = -2;
const SIGNAL_SET_SIZE = 128;

const c = {
  syscall: libcFunction<(number: number, ...typed: unknown[]) => number>('long syscall(long number, ...)'),
  ptrace: libcFunction<(request: number, pid: number, address: number, data: number) => number>(
    'long ptrace(int request, int pid, long addr, long data)',
  ),
  prctl: libcFunction<(option: number, ...typed: unknown[]) => number>('int prctl(int option, ...)'),
  accept4: libcFunction<(fd: number, address: null, length: null, flags: number) => number>(
    'int accept4(int sockfd, void *addr, void *addrlen, int flags)',
  ),
  waitid: libcFunction<(type: number, id: number, info: null, options: number) => number>(
    'int waitid(int idtype, uint32_t id, void *infop, int options)',
  ),
  signalfd: libcFunction<(fd: number, mask: Buffer, flags: number) => number>(
    'int signalfd(int fd, const void *mask, int flags)',
  ),
  memfd_create: libcFunction<(name: string, flags: number) => number>(
    'int memfd_create(const char *name, unsigned int flags)',
  ),
};

const { EBADF, ECHILD, EINVAL, ESRCH } = constants.errno;

const QUESTIONS = {
  accept4: { errno: EBADF, ask: () => c.accept4(NOTHING, null, null, 0) },
  close_range: { errno: EINVAL, ask: () => c.syscall(SYS_CLOSE_RANGE, 'uint', 1, 'uint', 0, 'uint', 0) },
  memfd_create: { errno: EINVAL, ask: () => c.memfd_create('', 0x8000_0000) },
  'prctl(PR_SET_PDEATHSIG)': { errno: EINVAL, ask: () => c.prctl(PR_SET_PDEATHSIG, 'ulong', 0xffff) },
  ptrace: { errno: ESRCH, ask: () => c.ptrace(PTRACE_SEIZE, 0, 0, 0) },
  signalfd: { errno: EBADF, ask: () => c.signalfd(NOTHING, Buffer.alloc(SIGNAL_SET_SIZE), 0) },
  waitid: { errno: ECHILD, ask: () => c.waitid(P_PID, process.pid, null, WEXITED) },
} as const;

/** System calls beyond POSIX that can be asked for without doing anything. */
export type AskedCall = keyof typeof QUESTIONS;

/** Why the kernel does not grant it to this process; undefined where it does. */
export function callFailure(call: AskedCall): SystemError | undefined {
  const { errno, ask } = QUESTIONS[call];
  if (ask() >= 0 || lastErrno() === errno) return undefined;
  return systemError(lastErrno(), { syscall: call });
}
