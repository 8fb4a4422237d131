import { readFileSync } from 'node:fs';
import type { Bytes, Pid } from '../units.js';

const KIB: Bytes = 1024;

/**
 * At least what {@link privateMemory} tells, for a tenth of its cost: the kernel counts here also what a forked process
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
 * Memory that would be free if this process ended: neither what it shares with a process that it was forked from, nor
 * shared memory such as opcache's, of which pages that only one process has used so far count as private elsewhere.
 * What is swapped out counts.
 *
 * @returns undefined for a process that has ended; the bound, where the kernel does not let us look closer
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
 * Whether {@link privateMemory} tells more than the bound of a process that lives: the kernel lets us look closer.
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
