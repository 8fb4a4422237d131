import type { Pid } from '../units.js';
import { libcFunction, retryInterrupted } from './libc.js';
import { readInt32 } from './native-integers.js';

// <sys/wait.h> on Linux
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;
const SIGINFO_SIZE = 128;
/** `si_pid`: behind three ints, aligned as the pointers that share its union are. */
const SI_PID = ['ia32', 'arm'].includes(process.arch) ? 12 : 16;

const c = {
  waitid: libcFunction<(type: number, id: number, info: Buffer, options: number) => number>(
    'int waitid(int idtype, uint32_t id, void *infop, int options)',
  ),
};

/**
 * The pid of a child that has ended and whose status nobody has taken, without taking it.
 *
 * @returns undefined if there is none
 * @see waitid(2) WNOWAIT
 */
export function peekEndedChild(): Pid | undefined {
  const info = Buffer.alloc(SIGINFO_SIZE);
  const result = retryInterrupted(() => c.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT));
  const pid = readInt32(info, SI_PID);
  return result === 0 && pid > 0 ? pid : undefined; // -1 is ECHILD: no children at all
}
