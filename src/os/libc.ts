import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import koffi, { type LibraryHandle } from 'koffi';
import { errorText, SystemError, type SystemErrorDetail } from '../errors.js';

let library: LibraryHandle | undefined;

function libc(): LibraryHandle {
  // null is the running program: node has loaded the C library already, whatever its file is called.
  library ??= koffi.load(null);
  return library;
}

/**
 * One function of the C library, bound at its first call.
 *
 * @param definition its prototype, as in the man page; buffers are `void *` and shared, never copied
 */
export function libcFunction<Signature extends (...args: never[]) => unknown>(definition: string): Signature {
  let bound: ((...args: never[]) => unknown) | undefined;
  const call = (...args: never[]): unknown => {
    bound ??= libc().func(definition) as (...args: never[]) => unknown;
    return bound(...args);
  };
  return call as Signature;
}

const strerror = libcFunction<(errno: number) => string>('const char *strerror(int errnum)');

/** What the failed call was about: everything of a {@link SystemErrorDetail} but the errno's own parts. */
export type CallSubject = Omit<SystemErrorDetail, 'code' | 'errno' | 'reason'>;

/** The kernel's text for an errno: `Address already in use`. */
export function errorReason(errno: number): string {
  return strerror(errno);
}

/** Builds the error for a known errno (positive). */
export function systemError(errno: number, subject: CallSubject): SystemError {
  const code = errno > 0 ? getSystemErrorName(-errno) : 'UNKNOWN';
  return new SystemError({ ...subject, code, errno, reason: errorReason(errno) });
}

/** The calling thread's errno; means something only straight after a call that failed. */
export function lastErrno(): number {
  return koffi.errno();
}

/**
 * Passes a call's result on.
 *
 * @throws SystemError if it is negative, from errno
 */
export function checked(result: number, subject: CallSubject): number {
  if (result < 0) throw systemError(lastErrno(), subject);
  return result;
}

/** Repeats a call that a signal interrupted. */
export function retryInterrupted(call: () => number): number {
  for (;;) {
    const result = call();
    if (result >= 0 || lastErrno() !== constants.errno.EINTR) return result;
  }
}

/** True for Node's and our own system errors alike. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/**
 * The one shape for failures of `node:fs` and of the C library, so that messages can append `suffix`.
 *
 * @returns `error` itself if it already is ours
 * @throws `error` again if it is not a system error at all
 */
export function asSystemError(error: unknown): SystemError {
  if (error instanceof SystemError) return error;
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
  const node = error as NodeJS.ErrnoException;
  const wrapped = systemError(Math.abs(error.errno), { syscall: node.syscall ?? 'unknown', path: node.path });
  wrapped.cause = error;
  return wrapped;
}

/** What the machine has refused, in words; undefined for any other error, which is a mistake of the program. */
export function systemFailure(error: unknown): string | undefined {
  const isSystems = error instanceof Error && 'errno' in error && typeof error.errno === 'number';
  return isSystems ? asSystemError(error).message : undefined;
}

/** The message of whatever was thrown; of what the machine has refused, in this program's words. */
export function failureText(error: unknown): string {
  return systemFailure(error) ?? errorText(error);
}
