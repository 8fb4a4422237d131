import type { Pid } from '../units.js';
import { checked, libcFunction } from './libc.js';
import { readUInt64, writeUInt64 } from './native-integers.js';

const PR_SET_CHILD_SUBREAPER = 36;
const PRIO_PROCESS = 0;
const RLIM_INFINITY = 2n ** 64n - 1n;
/** `struct rlimit`: two 64-bit numbers. */
const RLIMIT_SIZE = 16;

const c = {
  prctl: libcFunction<(option: number, ...typed: unknown[]) => number>('int prctl(int option, ...)'),
  setpriority: libcFunction<(which: number, who: number, value: number) => number>(
    'int setpriority(int which, uint32_t who, int prio)',
  ),
  getrlimit: libcFunction<(resource: number, limit: Buffer) => number>(
    'int getrlimit(int resource, void *rlim)',
  ),
  setrlimit: libcFunction<(resource: number, limit: Buffer) => number>(
    'int setrlimit(int resource, const void *rlim)',
  ),
};

/**
 * Makes this process the parent of descendants whose own parent has ended, in place of init.
 *
 * @see prctl(2) PR_SET_CHILD_SUBREAPER
 */
export function becomeSubreaper(): void {
  checked(c.prctl(PR_SET_CHILD_SUBREAPER, 'ulong', 1), { syscall: 'prctl' });
}

/**
 * Sets the priority of one process. On Linux it is that of one thread: for this process, call it before threads start.
 *
 * @param pid 0 is the calling thread
 * @param priority nice value, -20 (first) to 19
 * @throws SystemError EACCES, EPERM, ESRCH
 */
export function setPriority(pid: Pid, priority: number): void {
  checked(c.setpriority(PRIO_PROCESS, pid, priority), { syscall: 'setpriority', pid });
}

/** How a process ended. */
export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: number; readonly isCoreDumped: boolean };

/** The number that wait(2) fills in, or that a runtime passes on as it got it. */
export function decodeWaitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0
    ? { kind: 'exited', code: (status >> 8) & 0xff }
    : { kind: 'signaled', signal, isCoreDumped: (status & 0x80) !== 0 };
}

/** `<sys/resource.h>` on Linux. */
const RESOURCES = { core: 4, openFiles: 7 } as const;

/** What a limit is about: bytes of a core file, number of descriptors. */
export type LimitedResource = keyof typeof RESOURCES;

/** `Infinity` is "unlimited". */
export interface ResourceLimit {
  /** The limit that is enforced. */
  readonly soft: number;
  /** How far `soft` may be raised without privilege. */
  readonly hard: number;
}

/** @throws SystemError EPERM, ENOSYS from a seccomp filter @see getrlimit(2) */
export function resourceLimit(resource: LimitedResource): ResourceLimit {
  const bytes = Buffer.alloc(RLIMIT_SIZE);
  checked(c.getrlimit(RESOURCES[resource], bytes), { syscall: 'getrlimit' });
  return { soft: decodeLimit(readUInt64(bytes, 0)), hard: decodeLimit(readUInt64(bytes, 8)) };
}

/**
 * @throws SystemError EPERM if `hard` is raised without privilege, EINVAL if `soft` exceeds it
 * @see setrlimit(2)
 */
export function setResourceLimit(resource: LimitedResource, limit: ResourceLimit): void {
  const bytes = Buffer.alloc(RLIMIT_SIZE);
  writeUInt64(bytes, encodeLimit(limit.soft), 0);
  writeUInt64(bytes, encodeLimit(limit.hard), 8);
  checked(c.setrlimit(RESOURCES[resource], bytes), { syscall: 'setrlimit' });
}

function decodeLimit(value: bigint): number {
  return value === RLIM_INFINITY ? Number.POSITIVE_INFINITY : Number(value);
}

function encodeLimit(value: number): bigint {
  return value === Number.POSITIVE_INFINITY ? RLIM_INFINITY : BigInt(value);
}
