import { readFileSync } from 'node:fs';
import { parseMachineStat } from './proc-files.js';
import { treeTicks } from './processes.js';

/** Processor time so far, in clock ticks: of the machine, and of the benchmark with all that it has started. */
export interface ProcessorUse {
  readonly allTicks: number;
  readonly busyTicks: number;
  readonly ownTicks: number;
}

/** @returns `undefined` where the kernel does not tell */
export function processorUse(): ProcessorUse | undefined {
  try {
    return {
      ...parseMachineStat(readFileSync('/proc/stat', 'latin1')),
      ownTicks: treeTicks(process.pid),
    };
  } catch {
    return undefined; // there is no /proc/stat in some containers
  }
}

/**
 * What others took of the machine's processors in between: other programs, and the host's other virtual machines.
 *
 * @returns percent of all cores together, 0 to 100; `undefined` where it is not known
 */
export function othersPercent(
  before: ProcessorUse | undefined,
  after: ProcessorUse | undefined,
): number | undefined {
  if (before === undefined || after === undefined || after.allTicks <= before.allTicks) return undefined;
  const others = after.busyTicks - before.busyTicks - (after.ownTicks - before.ownTicks);
  return (100 * Math.max(0, others)) / (after.allTicks - before.allTicks);
}
