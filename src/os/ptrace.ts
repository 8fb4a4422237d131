import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Milliseconds, Pid } from '../units.js';
import { lastErrno, libcFunction, systemError } from './libc.js';
import { readInt32 } from './native-integers.js';

/** `<sys/ptrace.h>` */
const PTRACE_DETACH = 17;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const PTRACE_GETSIGINFO = 0x4202;
const SIGINFO_SIZE = 128;
const PTRACE_EVENT_STOP = 128;
/** `<sys/wait.h>` */
const WNOHANG = 1;
const WALL = 0x40000000;

/** A process that sleeps, or runs on another processor, stops within microseconds: for that long this thread polls. */
const SPIN_MS: Milliseconds = 1;
/** A process that waits for a processor stops when it gets one; one that the kernel cannot interrupt is given up. */
const PATIENCE_MS: Milliseconds = 200;
const POLL_EVERY_MS: Milliseconds = 1;

const c = {
  ptrace: libcFunction<(request: number, pid: Pid, address: number, data: number) => number>(
    'long ptrace(int request, int pid, long addr, long data)',
  ),
  ptraceInto: libcFunction<(request: number, pid: Pid, address: number, data: Buffer) => number>(
    'long ptrace(int request, int pid, long addr, void *data)',
  ),
  waitpid: libcFunction<(pid: Pid, status: Int32Array, options: number) => number>(
    'int waitpid(int pid, void *wstatus, int options)',
  ),
};

/** What was done while a process was stopped, and for how long it was. */
export interface Stopped<T> {
  readonly value: T;
  readonly stoppedMs: Milliseconds;
}

/**
 * Stops another process, calls `work`, and lets it go on. The process notices little: its parent is not told, signals
 * that come meanwhile are delivered afterwards, and only system calls that any signal may interrupt are interrupted.
 *
 * @returns undefined where it has ended, or is in a wait of the kernel that nothing interrupts
 * @throws SystemError EPERM where it may not be traced, or is traced by somebody else; whatever `work` throws
 * @see ptrace(2) PTRACE_SEIZE
 */
export async function whileStopped<T>(pid: Pid, work: () => T): Promise<Stopped<T> | undefined> {
  if (c.ptrace(PTRACE_SEIZE, pid, 0, 0) !== 0) {
    const errno = lastErrno();
    if (errno === constants.errno.ESRCH) return undefined;
    throw systemError(errno, { syscall: 'ptrace', pid });
  }
  c.ptrace(PTRACE_INTERRUPT, pid, 0, 0); // fails only if it has ended, which waitpid tells
  const startMs = performance.now();
  for (;;) {
    const stop = pollStop(pid);
    if (stop === 'gone') return undefined;
    if (stop !== 'running') {
      const sinceMs = performance.now();
      try {
        return { value: work(), stoppedMs: performance.now() - sinceMs };
      } finally {
        c.ptrace(PTRACE_DETACH, pid, 0, stop.signal);
      }
    }
    const waitedMs = performance.now() - startMs;
    if (waitedMs > PATIENCE_MS) {
      detachLater(pid);
      return undefined;
    }
    if (waitedMs > SPIN_MS) await sleep(POLL_EVERY_MS);
  }
}

type Stop = 'running' | 'gone' | { readonly signal: number };

/** Whether it has stopped; the signal is the one that stopped it, and is still to be delivered. */
function pollStop(pid: Pid): Stop {
  const status = new Int32Array(1);
  const found = c.waitpid(pid, status, WNOHANG | WALL);
  const word = status[0] ?? 0;
  if (found === pid && (word & 0xff) === 0x7f)
    return { signal: word >> 16 === PTRACE_EVENT_STOP ? 0 : (word >> 8) & 0xff };
  if (found !== 0) return found < 0 && lastErrno() === constants.errno.EINTR ? 'running' : 'gone';
  // If it is a child of this process, another waitpid may have taken the report of its stop.
  return isStopped(pid) ? { signal: stoppingSignal(pid) } : 'running';
}

/** State `t` of proc_pid_stat(5). */
function isStopped(pid: Pid): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) === 't';
  } catch {
    return false; // gone: waitpid tells
  }
}

/** `siginfo_t`: si_signo, si_errno, si_code. */
function stoppingSignal(pid: Pid): number {
  const info = Buffer.alloc(SIGINFO_SIZE);
  if (c.ptraceInto(PTRACE_GETSIGINFO, pid, 0, info) !== 0) return 0;
  return readInt32(info, 8) >> 8 === PTRACE_EVENT_STOP ? 0 : readInt32(info, 0);
}

/**
 * For a process that has not stopped in time: it will stop as soon as the kernel lets it, and must then go on. If it
 * ends instead, this tracer has to take its status, or its parent is never told.
 */
function detachLater(pid: Pid): void {
  const timer = setInterval(() => {
    const stop = pollStop(pid);
    if (stop === 'running') return;
    clearInterval(timer);
    if (stop !== 'gone') c.ptrace(PTRACE_DETACH, pid, 0, stop.signal);
  }, POLL_EVERY_MS);
  timer.unref();
}
