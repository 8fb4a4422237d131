import { closeSync, openSync } from 'node:fs';
import type { Count, Fd } from '../units.js';

/**
 * Makes sure that so many could be opened now, where something behaves badly without.
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

/** Descriptors that are kept open for nothing, to be had when no others are. */
export class SpareDescriptors {
  readonly #fds: Fd[] = [];

  /** As many of them as there are to be had. */
  constructor(count: Count) {
    try {
      while (this.#fds.length < count) this.#fds.push(openSync('/dev/null', 'r'));
    } catch {
      // EMFILE: whatever needs them will say so
    }
  }

  /** From here on they are everybody's. */
  release(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }
}
