import pidusage from 'pidusage';
import { askMaster } from '../control/client.js';
import type { ControlLive } from '../control/target.js';
import { privateMemory } from '../os/process-memory.js';
import { terminalText } from '../text/harmless.js';
import type { Usage } from '../top/figures.js';
import type { Count, Milliseconds, Pid } from '../units.js';
import { EXIT_UNAVAILABLE } from './control.js';

/** What one reading of the master has found. */
export type Reading =
  | { readonly kind: 'live'; readonly live: ControlLive; readonly usage: ReadonlyMap<Pid, Usage> }
  | { readonly kind: 'failed'; readonly reason: string; readonly exitCode: number };

const PATIENCE_MS: Milliseconds = 5000;
/** pidusage keeps a descriptor open for each worker; the busiest come first. */
const MOST_MEASURED: Count = 500;

// Where `getconf` is missing, pidusage says so on the terminal, and takes the usual numbers.
process.env.PIDUSAGE_SILENT = '1';

/** Asks the master for its live figures, and the kernel for the CPU and memory of the workers. */
export class MasterReader {
  readonly #path: string;

  /** @param path of the control socket */
  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Reading> {
    const answer = await askMaster({
      path: this.#path,
      request: { verb: 'live' },
      tell: () => {},
      timeoutMs: PATIENCE_MS,
    });
    if (answer.kind === 'timeout') return failed(`nobody answers at ${this.#path} in time`);
    if (answer.kind !== 'answered') return failed(`no master answers at ${this.#path}: ${answer.reason}`);
    const { ok, exitCode, lines, data } = answer.result;
    if (!ok) return failed(`the master does not tell: ${terminalText(lines.join('; '))}`, exitCode);
    if (!isControlLive(data)) return failed('the master is of another version');
    // In another pid namespace the numbers are those of other processes.
    const isHere = data.master.pid === answer.master.pid;
    return { kind: 'live', live: data, usage: isHere ? await usageOf(data) : new Map() };
  }
}

function failed(reason: string, exitCode = EXIT_UNAVAILABLE): Reading {
  return { kind: 'failed', reason, exitCode };
}

function isControlLive(data: unknown): data is ControlLive {
  const { master, pools, nowMs } = (data ?? {}) as Partial<Record<string, unknown>>;
  return (
    typeof nowMs === 'number' &&
    typeof master === 'object' &&
    master !== null &&
    Array.isArray(pools) &&
    pools.every(
      (pool) =>
        typeof pool?.name === 'string' &&
        Array.isArray(pool.workers) &&
        Array.isArray(pool.durations?.counts) &&
        Array.isArray(pool.durations.boundsS),
    )
  );
}

async function usageOf({ pools }: ControlLive): Promise<ReadonlyMap<Pid, Usage>> {
  const pids = pools.flatMap(({ workers }) => workers.map(({ pid }) => pid)).slice(0, MOST_MEASURED);
  const cpu = await cpuOf(pids);
  return new Map(
    pids.map((pid) => [pid, { cpuPercent: cpu[pid]?.cpu, privateBytes: privateMemory(pid) }] as const),
  );
}

/** CPU time since the last call; 0 at the first. A process that has ended is left out. */
async function cpuOf(pids: readonly Pid[]): Promise<Record<string, { readonly cpu: number } | undefined>> {
  if (pids.length === 0) return {};
  try {
    return await pidusage([...pids]);
  } catch {
    return {}; // the only one has just ended
  }
}
