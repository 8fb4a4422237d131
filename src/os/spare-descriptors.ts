import { closeSync, openSync } from 'node:fs';
import type { Count, Fd } from '../units.js';

/**
 * Makes sure that so many descriptors can be opened now, for code that fails badly without them.
 *
 * @throws NodeJS.ErrnoException EMFILE, ENFILE
 */
export function requireDescriptors(count: Count): void {
  const fds: Fd[] = [];
  try {
    while (fds.length < count) fds.push(openSync('/dev/null', 'r'));
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** Descriptors kept in reserve: closed when no others are left, they make room for what must be opened. */
export class SpareDescriptors {
  readonly #fds: Fd[] = [];

  /** @param count at most so many; fewer where the limit is reached */
  constructor(count: Count) {
    try {
      while (this.#fds.length < count) this.#fds.push(openSync('/dev/null', 'r'));
    } catch {
      // EMFILE: whoever needs a descriptor will report it
    }
  }

  /** Closes the reserve. */
  release(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }
}
