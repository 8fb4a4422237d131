import { privateMemory, privateMemoryBound } from '../os/process-memory.js';
import type { Bytes, Count, Pid } from '../units.js';

/** To measure a process takes some 0.2 ms, more for a large one, and others wait for the master meanwhile. */
const MOST_MEASURED: Count = 16;

/**
 * Private memory of many workers for one page. The first are measured. For the others it is estimated: what those share
 * with their zygote, which is much the same for all, is subtracted from an upper bound.
 *
 * @returns undefined for a process that has ended
 */
export function memoryEstimate(): (pid: Pid) => Bytes | undefined {
  let measured = 0;
  let shared: Bytes = 0;
  return (pid) => {
    const bound = privateMemoryBound(pid);
    if (bound === undefined) return undefined;
    if (measured >= MOST_MEASURED) return Math.max(0, bound - shared);
    measured++;
    const bytes = privateMemory(pid);
    if (bytes !== undefined) shared = Math.max(shared, bound - bytes);
    return bytes;
  };
}
