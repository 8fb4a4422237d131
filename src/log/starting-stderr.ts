import { duplicateDescriptor } from '../os/descriptor.js';
import type { Fd } from '../units.js';

const STDERR: Fd = 2;
let kept: Fd | undefined;

/** The stderr that this process was started with: a log on /dev/stderr goes there, though descriptor 2 has become another. */
export function startingStderr(): Fd {
  return kept ?? STDERR;
}

/** Beside descriptor 2; undefined as long as that is the one. */
export function keptStderr(): Fd | undefined {
  return kept;
}

/**
 * Before descriptor 2 becomes something else.
 *
 * @param fd where a program before this one has kept it already
 */
export function keepStderr(fd?: Fd): void {
  kept ??= fd ?? duplicateDescriptor(STDERR);
}
