import { ProcessHandle } from '../os/process-handle.js';
import { childPids, processState, sessionOf } from '../os/process-life.js';
import type { Count, Pid } from '../units.js';

/** Generations between a zygote and its worker: a php_cgi that is a script puts one more between them. */
const MOST_STEPS: Count = 8;

/**
 * A handle for what a zygote reports as its worker. A zygote with false reports must not direct the master's signals,
 * which are root's, at others: the kernel has to confirm that the process descends from that zygote.
 *
 * @param zygote a child of this process whose status was not taken, or has members of its session left
 * @returns undefined for a worker that has ended meanwhile, and for a stranger
 */
export function openWorker(pid: Pid, zygote: Pid): ProcessHandle | undefined {
  return ProcessHandle.open(pid, (it) => descendsFrom(it, zygote));
}

/** @returns undefined where the kernel does not call it a child of this process */
export function openChild(pid: Pid): ProcessHandle | undefined {
  return ProcessHandle.open(pid, (it) => childPids(process.pid).includes(it));
}

/** Also true for a process that has ended and that its parent has not waited for yet. */
export function descendsFrom(pid: Pid, zygote: Pid): boolean {
  if (pid === zygote) return false;
  // A zygote leads a session, which outlives it. Its workers may have begun sessions of their own.
  if (sessionOf(pid) === zygote) return true;
  // Where /proc shows only what this process may trace, it still shows the zygote.
  if (processState(pid) === undefined) return childPids(zygote).includes(pid);
  let at: Pid | undefined = pid;
  for (let step = 0; step < MOST_STEPS && at !== undefined && at > 1; step++) {
    at = processState(at)?.parent;
    if (at === zygote) return true;
  }
  return false;
}
