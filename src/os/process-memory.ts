import { readFileSync } from 'node:fs';
import type { Bytes, Pid } from '../units.js';

const KIB: Bytes = 1024;

/**
 * An upper bound of {@link privateMemory}, for a tenth of its cost: the kernel counts here also what a forked process
 * still shares with its parent.
 *
 * @returns undefined for a process that has ended, or has no memory of its own any more
 * @see proc(5) /proc/pid/status: RssAnon, VmSwap
 */
export function privateMemoryBound(pid: Pid): Bytes | undefined {
  const status = textOf(`/proc/${pid}/status`);
  const resident = status === undefined ? undefined : kibibytes(status, 'RssAnon');
  return status === undefined || resident === undefined
    ? undefined
    : (resident + (kibibytes(status, 'VmSwap') ?? 0)) * KIB;
}

/**
 * Memory that would be free if this process ended, swapped pages included. Not counted is what it shares with the
 * process that it was forked from, and shared memory such as opcache's. Private_Clean and Private_Dirty include pages
 * of shared memory that only one process has used so far; RssAnon does not, so it bounds their sum.
 *
 * @returns undefined for a process that has ended; {@link privateMemoryBound} where smaps_rollup cannot be read
 * @see proc(5) /proc/pid/smaps_rollup, which needs the right to trace the process
 */
export function privateMemory(pid: Pid): Bytes | undefined {
  const status = textOf(`/proc/${pid}/status`);
  const anonymous = status === undefined ? undefined : kibibytes(status, 'RssAnon');
  if (status === undefined || anonymous === undefined) return undefined;
  const rollup = textOf(`/proc/${pid}/smaps_rollup`) ?? '';
  const [clean, dirty] = [kibibytes(rollup, 'Private_Clean'), kibibytes(rollup, 'Private_Dirty')];
  const resident =
    clean === undefined || dirty === undefined ? anonymous : Math.min(anonymous, clean + dirty);
  return (resident + (kibibytes(status, 'VmSwap') ?? 0)) * KIB;
}

/**
 * Whether {@link privateMemory} is more exact than the bound for this process: its smaps_rollup can be read.
 *
 * @returns undefined where it has ended
 */
export function isSharingVisible(pid: Pid): boolean | undefined {
  const isVisible = kibibytes(textOf(`/proc/${pid}/smaps_rollup`) ?? '', 'Private_Dirty') !== undefined;
  return isVisible || privateMemoryBound(pid) !== undefined ? isVisible : undefined;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // it has just ended, or is another user's
  }
}

function kibibytes(text: string, name: string): number | undefined {
  const digits = new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
