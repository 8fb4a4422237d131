import { readdirSync, readFileSync } from 'node:fs';
import type { Pid } from '../units.js';

/** One life of a pid: the number alone may stand for another process later. */
export interface ProcessLife {
  readonly pid: Pid;
  /** In clock ticks since boot, as /proc writes it. */
  readonly startTicks: string;
}

/** @returns undefined for a process that has ended, whether or not its parent has noticed */
export function processLife(pid: Pid): ProcessLife | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything; behind it the state is field 3, the start time field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = 'X'] = fields;
    const startTicks = fields[22 - 3];
    return state === 'Z' || state === 'X' || startTicks === undefined ? undefined : { pid, startTicks };
  } catch {
    return undefined; // ENOENT, or ESRCH where it ends while we read
  }
}

export function isSameLife({ pid, startTicks }: ProcessLife): boolean {
  return processLife(pid)?.startTicks === startTicks;
}

/**
 * @returns none for a process that has ended
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
