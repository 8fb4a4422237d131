import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Bytes, Pid } from '../../src/units.js';

/** A process as /proc shows it. */
export interface ProcessInfo {
  readonly pid: Pid;
  readonly parent: Pid;
  readonly session: Pid;
  /** Title that `ps` prints. */
  readonly title: string;
  /** Working directory; undefined where we may not see it. */
  readonly folder: string | undefined;
}

/** @returns undefined for a process that has ended; a zombie has: not every init reaps */
export function processInfo(pid: Pid): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything.
    const [state, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return {
      pid,
      parent: Number(parent),
      session: Number(session),
      title: titleOf(pid),
      folder: folderOf(pid),
    };
  } catch {
    return undefined; // it ended while we looked
  }
}

export function isAlive(pid: Pid): boolean {
  return processInfo(pid) !== undefined;
}

export function allProcesses(): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((name) => processInfo(Number(name)) ?? []);
}

/** What its open descriptors are: `3` -> `socket:[1234]`. */
export function descriptorsOf(pid: Pid): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      found.set(Number(name), readlinkSync(`/proc/${pid}/fd/${name}`));
    } catch {
      // closed since
    }
  }
  return found;
}

/** Where its program is in memory: an execution has an address of its own, and a fork its parent's. */
export function programAddress(pid: Pid): string {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').split('-', 1)[0] ?? '';
}

/** Memory that is in RAM and of this process alone. */
export function privateBytesOf(pid: Pid): Bytes {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  let kilobytes = 0;
  for (const [, value] of rollup.matchAll(/^Private_(?:Clean|Dirty):\s+([0-9]+) kB$/gm))
    kilobytes += Number(value);
  return kilobytes * 1024;
}

/** For cleaning up: one that has ended is fine. */
export function killProcess(pid: Pid): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH
  }
}

function titleOf(pid: Pid): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ');
}

function folderOf(pid: Pid): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // of another user, or ended
  }
}
