import { readFileSync } from 'node:fs';
import type { Nanoseconds, Pid } from '../units.js';
import { processState } from './process-life.js';

/** Since a process began. */
export interface ProcessorTime {
  /** On a processor. */
  readonly runNs: Nanoseconds;
  /** Ready to run, while others did. */
  readonly waitNs: Nanoseconds;
}

/** `USER_HZ`, which /proc counts in on all machines. */
const NS_PER_TICK = 10_000_000;

/**
 * Of a process's first thread: PHP runs there, extensions may have others that are at work while it is idle. Without the
 * scheduler's statistics, of all threads, and what was waited is 0.
 *
 * @returns undefined for a process that is gone, or that /proc does not show
 * @see the kernel's Documentation/scheduler/sched-stats
 */
export function processorTime(pid: Pid): ProcessorTime | undefined {
  try {
    const [run = '', wait = ''] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ');
    return { runNs: BigInt(run), waitNs: BigInt(wait) };
  } catch {
    const ticks = processState(pid)?.cpuTicks; // ENOENT: gone, or a kernel without CONFIG_SCHED_INFO
    return ticks === undefined ? undefined : { runNs: BigInt(ticks * NS_PER_TICK), waitNs: 0n };
  }
}
