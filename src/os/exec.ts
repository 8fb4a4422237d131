import type { SystemError } from '../errors.js';
import { lastErrno, libcFunction, systemError } from './libc.js';

const execve = libcFunction<
  (path: string, argv: readonly (string | null)[], envp: readonly (string | null)[]) => number
>('int execve(const char *path, const char **argv, const char **envp)');

/**
 * Replaces the program that this process runs; descriptors that are not closed on exec stay open. Every other thread
 * ends. On success nothing here runs any more.
 *
 * @param argv with the program's own name first
 * @returns why the program could not be replaced
 * @see execve(2)
 */
export function executeInstead(
  path: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): SystemError {
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  execve(path, [...argv, null], [...variables, null]);
  return systemError(lastErrno(), { syscall: 'execve', path });
}
