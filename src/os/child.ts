import {
  type ChildProcess,
  type ExecFileOptions,
  execFile,
  type SpawnOptions,
  spawn,
} from 'node:child_process';
import type { Count, Milliseconds, Pid } from '../units.js';
import { requireDescriptors } from './spare-descriptors.js';

/** Children that Node waits for. */
const waitedFor = new Set<Pid>();

/** Descriptors that libuv needs for each child itself: the pipe by which a child tells that its program cannot run. */
const OWN_PIPE: Count = 2;

/**
 * `spawn` of node:child_process. Every child of Node is started here, because Node takes the status of its children
 * itself: if somebody else has taken it, neither `exit` nor `close` ever comes.
 *
 * @returns without a pid where it could not be started, and then perhaps without its pipes; `error` follows
 * @throws NodeJS.ErrnoException for some failures, EMFILE and ENOMEM among them
 */
export function startChild(program: string, argv: readonly string[], options: SpawnOptions): ChildProcess {
  // Node never closes its ends of the pipes where libuv finds no descriptor for its own.
  const pipes = [options.stdio].flat().filter((stdio) => stdio === 'pipe').length;
  requireDescriptors(2 * pipes + OWN_PIPE);
  const child = spawn(program, argv, options);
  waitFor(child);
  return child;
}

/** How long the end of a program that was killed may take to be told. */
const END_MS: Milliseconds = 1000;

/**
 * Runs a program to its end, which comes in time: after `timeout` it is killed.
 *
 * @returns what it has printed; that is nothing where it could not be run
 */
export function outputOf(
  program: string,
  argv: readonly string[],
  options: ExecFileOptions & { readonly timeout: Milliseconds },
): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(''), options.timeout + END_MS);
    const settle = (output: string) => {
      clearTimeout(timer);
      resolve(output);
    };
    try {
      waitFor(
        execFile(program, argv, { ...options, encoding: 'utf8' }, (_failure, stdout) => settle(stdout)),
      );
    } catch {
      settle(''); // ENOMEM
    }
  });
}

function waitFor(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  waitedFor.add(pid);
  child.once('exit', () => waitedFor.delete(pid));
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
