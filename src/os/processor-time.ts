import { readFileSync } from 'node:fs';
import type { Nanoseconds, Pid } from '../units.js';
import { processState } from './process-life.js';

/** Time since a process began. */
export interface ProcessorTime {
  /** Spent running on a processor. */
  readonly runNs: Nanoseconds;
  /** Spent ready to run, while other processes had the processors. */
  readonly waitNs: Nanoseconds;
}

/** `USER_HZ`, which /proc counts in on all machines. */
const NS_PER_TICK = 10_000_000;

/**
 * The time of a process's first thread: PHP runs there; extensions may have other threads, which work while PHP is
 * idle. Where the kernel keeps no scheduler statistics, the time of all threads, with `waitNs` 0.
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
