import { privateMemory, privateMemoryBound } from '../os/process-memory.js';
import type { Bytes, Count, Pid } from '../units.js';

/** A close look takes some 0.2 ms, more for large processes, and others wait for the master meanwhile. */
const MOST_CLOSE_LOOKS: Count = 16;

/**
 * Private memory of many workers for one page. The first are looked at closely; from the others is taken off what those
 * turned out to share with their zygote, which is much the same for all.
 *
 * @returns undefined for a process that has ended
 */
export function memoryEstimate(): (pid: Pid) => Bytes | undefined {
  let looks = 0;
  let shared: Bytes = 0;
  return (pid) => {
    const bound = privateMemoryBound(pid);
    if (bound === undefined) return undefined;
    if (looks >= MOST_CLOSE_LOOKS) return Math.max(0, bound - shared);
    looks++;
    const bytes = privateMemory(pid);
    if (bytes !== undefined) shared = Math.max(shared, bound - bytes);
    return bytes;
  };
}
