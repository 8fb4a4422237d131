import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { Pid } from '../units.js';

/** Children that Node waits for. */
const waitedFor = new Set<Pid>();

/**
 * `spawn` of node:child_process, and the only one of this program: Node takes the status of its children itself, and the
 * `exit` of one whose status somebody else has taken never comes, nor does its `close`.
 *
 * @returns without a pid where it could not be started, and then perhaps without its pipes; `error` follows
 * @throws NodeJS.ErrnoException for some failures, ENOMEM among them
 */
export function startChild(program: string, argv: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(program, argv, options);
  const { pid } = child;
  if (pid !== undefined) {
    waitedFor.add(pid);
    child.once('exit', () => waitedFor.delete(pid));
  }
  return child;
}

/** Whether its status is Node's to take. */
export function isWaitedFor(pid: Pid): boolean {
  return waitedFor.has(pid);
}

/** The whole group of a child that was started `detached`. */
export function killGroup(leader: Pid): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // ESRCH: it has just ended
  }
}
