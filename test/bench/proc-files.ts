import type { Bytes, Nanoseconds, Pid } from '../../src/units.js';

/** What the benchmark needs of `/proc/PID/stat`. */
export interface ProcessStat {
  readonly pid: Pid;
  readonly parentPid: Pid;
  /** One letter; `Z` is a zombie, which counts as ended. */
  readonly state: string;
  /** User and system time together, in clock ticks. */
  readonly cpuTicks: number;
  /** The same, of its children that have ended and whose end it has taken note of, and of theirs. */
  readonly endedChildrenTicks: number;
  /** Clock ticks after boot: with the pid it names one process for ever. */
  readonly startTicks: number;
}

/**
 * @throws Error on a line that is not one of proc(5)'s
 * @see proc_pid_stat(5)
 */
export function parseStat(line: string): ProcessStat {
  // The name stands in parentheses and may itself hold spaces and parentheses: the last one ends it.
  const nameEnd = line.lastIndexOf(')');
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(nameEnd + 2).split(' ');
  // Fields are numbered from 1 in the manual; the third (state) is the first after the name.
  const field = (manualNumber: number): number => Number(fields[manualNumber - 3]);
  const stat = {
    pid,
    parentPid: field(4),
    state: fields[0] ?? '',
    cpuTicks: field(14) + field(15),
    endedChildrenTicks: field(16) + field(17),
    startTicks: field(22),
  };
  if (nameEnd < 0 || [pid, stat.parentPid, stat.cpuTicks, stat.startTicks].some(Number.isNaN)) {
    throw new Error(`not a line of /proc/PID/stat: ${line}`);
  }
  return stat;
}

/**
 * What all processors together have done since boot, in clock ticks: time in which they worked for programs or were taken
 * away by the host, and all of it.
 *
 * @throws Error where the first line is not the sum of all processors
 * @see proc_stat(5)
 */
export function parseMachineStat(text: string): { readonly busyTicks: number; readonly allTicks: number } {
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] =
    /^cpu((?: +\d+){8})/.exec(text)?.[1]?.trim().split(/ +/).map(Number) ?? [];
  const busyTicks = user + nice + system + steal;
  const allTicks = busyTicks + idle + ioWait + irq + softIrq;
  if (allTicks === 0) throw new Error('/proc/stat does not begin with the sum of all processors');
  return { busyTicks, allTicks };
}

/**
 * @returns time on a CPU, of the process's first thread; `undefined` where the kernel does not count it
 * @see proc(5), Documentation/scheduler/sched-stats.rst
 */
export function parseSchedstat(text: string): Nanoseconds | undefined {
  const onCpu = /^(\d+) \d+ \d+\s*$/.exec(text)?.[1];
  return onCpu === undefined || onCpu === '0' ? undefined : BigInt(onCpu);
}

/**
 * @returns memory that no other process maps: `Private_Clean` and `Private_Dirty`
 * @throws Error if one of them is missing
 * @see proc_pid_smaps(5)
 */
export function parsePrivateBytes(smapsRollup: string): Bytes {
  return parseSize(smapsRollup, 'Private_Clean') + parseSize(smapsRollup, 'Private_Dirty');
}

/**
 * @returns memory of a process, where each page counts for the part that is its own among all that map it: `Pss`
 * @throws Error if it is missing
 * @see proc_pid_smaps(5)
 */
export function parsePssBytes(smapsRollup: string): Bytes {
  return parseSize(smapsRollup, 'Pss');
}

function parseSize(smapsRollup: string, name: string): Bytes {
  const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(smapsRollup)?.[1];
  if (kibibytes === undefined) throw new Error(`smaps_rollup does not tell ${name}`);
  return Number(kibibytes) * 1024;
}
