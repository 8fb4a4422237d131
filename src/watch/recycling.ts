import type { Bytes, Count, Milliseconds, Pid } from '../units.js';

/** `pm.max_memory` and `pm.max_memory_hard`; 0 is off. */
export interface MemoryLimits {
  readonly softBytes: Bytes;
  readonly hardBytes: Bytes;
}

/** A worker whose private memory has just been measured. */
export interface WeighedWorker {
  readonly pid: Pid;
  readonly bytes: Bytes;
  /** It has something in hand. */
  readonly isBusy: boolean;
  /** It was told to end, for whatever reason. */
  readonly isLeaving: boolean;
  /** For how long it has been above the hard limit; undefined where it was not at the last check. */
  readonly aboveHardForMs: Milliseconds | undefined;
}

export interface Recycling {
  /** Workers that are to end after what they have in hand. */
  readonly retire: readonly Pid[];
  /** Workers that are to end now. */
  readonly kill: readonly Pid[];
}

/** A request that is about to end may do so. Somewhat less than the time until the next check. */
const HARD_GRACE_MS: Milliseconds = 900;
/** One worker in so many may be leaving at once; the others serve meanwhile. */
const LEAVING_SHARE = 4;

/**
 * Which workers have too much memory. Above the soft limit the largest leave first, and never so many at once that the
 * pool is short of workers. All those above the hard limit leave at once, because the machine may run out of memory.
 *
 * @param leaving workers that were told to end for their memory already
 * @param alive workers of the pool
 */
export function decideRecycling(
  { softBytes, hardBytes }: MemoryLimits,
  workers: readonly WeighedWorker[],
  { leaving, alive }: { readonly leaving: Count; readonly alive: Count },
): Recycling {
  const isAboveHard = ({ bytes }: WeighedWorker) => hardBytes > 0 && bytes > hardBytes;
  const kill = workers
    .filter(isAboveHard)
    .filter(({ isBusy, aboveHardForMs = 0 }) => isBusy && aboveHardForMs >= HARD_GRACE_MS);
  const staying = workers.filter(({ isLeaving }) => !isLeaving);
  const urgent = staying.filter(isAboveHard);
  const room = Math.max(1, Math.floor(alive / LEAVING_SHARE)) - leaving - urgent.length;
  const large = staying
    .filter((worker) => softBytes > 0 && worker.bytes > softBytes && !isAboveHard(worker))
    .sort((a, b) => b.bytes - a.bytes || a.pid - b.pid)
    .slice(0, Math.max(0, room));
  return { retire: [...urgent, ...large].map(({ pid }) => pid), kill: kill.map(({ pid }) => pid) };
}
