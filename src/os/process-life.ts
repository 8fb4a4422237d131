import { readdirSync, readFileSync } from 'node:fs';
import type { Pid } from '../units.js';
import { libcFunction } from './libc.js';

const c = { getsid: libcFunction<(pid: Pid) => Pid>('int getsid(int pid)') };

/** One life of a pid: the number alone may stand for another process later. */
export interface ProcessLife {
  readonly pid: Pid;
  /** In clock ticks since boot, as /proc writes it. */
  readonly startTicks: string;
}

/** What the kernel says of a process; a process that has ended and was not reaped is included. */
export interface ProcessState extends ProcessLife {
  readonly hasEnded: boolean;
  readonly parent: Pid;
  /** User and system time of all its threads, in clock ticks. */
  readonly cpuTicks: number;
}

/**
 * @returns undefined where no process has that number, or /proc does not show it (hidepid)
 * @see proc_pid_stat(5)
 */
export function processState(pid: Pid): ProcessState | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything; behind it the state is field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number) => fields[number - 3];
    const startTicks = field(22);
    if (startTicks === undefined) return undefined;
    return {
      pid,
      startTicks,
      hasEnded: field(3) === 'Z' || field(3) === 'X',
      parent: Number(field(4)),
      cpuTicks: Number(field(14)) + Number(field(15)),
    };
  } catch {
    return undefined; // ENOENT, or ESRCH where it ends while we read
  }
}

/**
 * Pid of the process that began this process's session. A session is inherited; a process may begin its own, but never
 * join another's. Needs no descriptor and no /proc.
 *
 * @returns undefined where there is no process of that number
 * @see getsid(2)
 */
export function sessionOf(pid: Pid): Pid | undefined {
  const session = pid > 0 ? c.getsid(pid) : -1;
  return session < 0 ? undefined : session; // ESRCH
}

/** @returns undefined for a process that has ended, whether or not its parent has noticed */
export function processLife(pid: Pid): ProcessLife | undefined {
  const state = processState(pid);
  return state === undefined || state.hasEnded ? undefined : { pid, startTicks: state.startTicks };
}

export function isSameLife({ pid, startTicks }: ProcessLife): boolean {
  return processLife(pid)?.startTicks === startTicks;
}

/**
 * @returns an empty list for a process that has ended
 * @see proc_pid_task(5) children; there on kernels with CONFIG_PROC_CHILDREN, as every distribution's has
 */
export function childPids(pid: Pid): Pid[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return []; // ENOENT, ESRCH: it ends while we read
  }
}
