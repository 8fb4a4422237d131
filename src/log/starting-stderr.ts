import { duplicateDescriptor } from '../os/descriptor.js';
import type { Fd } from '../units.js';

const STDERR: Fd = 2;
let kept: Fd | undefined;

/**
 * The stderr that this process was started with. A log on /dev/stderr goes there, also after descriptor 2 was
 * replaced.
 */
export function startingStderr(): Fd {
  return kept ?? STDERR;
}

/** The descriptor that keeps it; undefined as long as descriptor 2 is still the one. */
export function keptStderr(): Fd | undefined {
  return kept;
}

/**
 * Keeps stderr; to be called before descriptor 2 is replaced.
 *
 * @param fd where the program before this one, in the same process, has kept it already
 */
export function keepStderr(fd?: Fd): void {
  kept ??= fd ?? duplicateDescriptor(STDERR);
}
