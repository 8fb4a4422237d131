import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bytes, Milliseconds, Nanoseconds, Pid } from '../../src/units.js';
import {
  type ProcessStat,
  parsePrivateBytes,
  parsePssBytes,
  parseSchedstat,
  parseStat,
} from './proc-files.js';

const NS_PER_TICK = 10_000_000n;

/** @returns `undefined` for a process that is gone; a zombie is gone */
export function statOf(pid: Pid): ProcessStat | undefined {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return stat.state === 'Z' ? undefined : stat;
  } catch {
    return undefined; // it ended between the listing and the look
  }
}

function allProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter((stat) => stat !== undefined);
}

export interface Descendant extends ProcessStat {
  /** 1 for a child, 2 for a grandchild. */
  readonly depth: number;
}

/** The living processes under `root`, nearest first, without it. */
export function descendantsOf(root: Pid): Descendant[] {
  const byParent = new Map<Pid, ProcessStat[]>();
  for (const stat of allProcesses()) {
    const siblings = byParent.get(stat.parentPid);
    if (siblings) siblings.push(stat);
    else byParent.set(stat.parentPid, [stat]);
  }
  const found: Descendant[] = [];
  let parents: Pid[] = [root];
  for (let depth = 1; parents.length > 0; depth++) {
    const children = parents.flatMap((pid) => byParent.get(pid) ?? []);
    found.push(...children.map((stat) => ({ ...stat, depth })));
    parents = children.map((stat) => stat.pid);
  }
  return found;
}

/** @returns path of the program a process runs; `undefined` if it is gone */
export function programOf(pid: Pid): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined; // it ended
  }
}

/**
 * CPU time of a single-threaded process so far.
 *
 * @returns `undefined` if it is gone
 */
export function cpuTimeNs(pid: Pid): Nanoseconds | undefined {
  const stat = statOf(pid);
  if (stat === undefined) return undefined;
  try {
    const precise = parseSchedstat(readFileSync(`/proc/${pid}/schedstat`, 'latin1'));
    if (precise !== undefined) return precise;
  } catch {
    // a kernel without CONFIG_SCHED_INFO has no such file: ticks will do
  }
  return BigInt(stat.cpuTicks) * NS_PER_TICK;
}

/** CPU time so far, in clock ticks, of a process, of all that runs below it, and of what has ended there. */
export function treeTicks(root: Pid): number {
  const living = [statOf(root), ...descendantsOf(root)].filter((stat) => stat !== undefined);
  return living.reduce((sum, { cpuTicks, endedChildrenTicks }) => sum + cpuTicks + endedChildrenTicks, 0);
}

/**
 * CPU time so far of all threads of a process that live.
 *
 * @returns `undefined` if it is gone
 */
export function threadsCpuTimeNs(pid: Pid): Nanoseconds | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => parseSchedstat(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1')) ?? 0n)
      .reduce((sum, time) => sum + time, 0n);
  } catch {
    return undefined; // it ended, or a thread of it
  }
}

/** @throws Error if the process is gone or belongs to someone else */
export function privateBytes(pid: Pid): Bytes {
  return parsePrivateBytes(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
}

/**
 * What processes take together; one that has ended takes nothing.
 *
 * @throws Error if one belongs to someone else, and this is not root
 */
export function pssBytes(pids: readonly Pid[]): Bytes {
  return pids.reduce((sum, pid) => {
    const rollup = readRollup(pid);
    return rollup === '' ? sum : sum + parsePssBytes(rollup);
  }, 0);
}

/** @returns an empty text for a process that has ended */
function readRollup(pid: Pid): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ESRCH'].includes(code)) return '';
    throw error;
  }
}

/** False once another process has its number, too. */
function isAlive({ pid, startTicks }: ProcessStat): boolean {
  return statOf(pid)?.startTicks === startTicks;
}

/** @returns those that still live at the deadline */
export async function waitForEnd(
  processes: readonly ProcessStat[],
  timeoutMs: Milliseconds,
): Promise<ProcessStat[]> {
  const deadline = performance.now() + timeoutMs;
  let living = processes.filter(isAlive);
  while (living.length > 0 && performance.now() < deadline) {
    await sleep(20);
    living = living.filter(isAlive);
  }
  return living;
}

export function killAll(processes: readonly ProcessStat[]): void {
  for (const each of processes) {
    try {
      if (isAlive(each)) process.kill(each.pid, 'SIGKILL');
    } catch {
      // it ended by itself in between
    }
  }
}
