import type { Count, Pid, Seconds } from '../../src/units.js';
import { buildLoadGenerator, type LoadResult, runLoad } from '../bench/load-generator.js';
import { tsfpmCommand } from './command.js';
import type { Daemon } from './daemon.js';
import type { Pieces } from './daemon-folder.js';
import { until } from './wait.js';

/** Tells whether opcache had it, and by what it was served. */
export const FRESH_PHP = `<?php echo json_encode(['pid' => getmypid(), 'hits' => opcache_get_status()['scripts'][__FILE__]['hits'] ?? null]);`;

/** php-fpm's lines, from the first to the last. */
export const RELOADED =
  /NOTICE: (?:pid .*)?Reloading in progress \.\.\.\n[\s\S]*?ready to handle connections\n/;
/** The file was good, and something of it could not be. */
export const INCOMPLETE = /ERROR: reloaded; .*; not in force: .*/;
export const REFUSED = /ERROR: reload refused: the configuration in force stays/;

/**
 * Writes the file anew where pieces are given, asks for a reload and waits for its end.
 *
 * @returns what the log says of it
 */
export async function reload(
  tsfpm: Daemon,
  pieces?: Pieces,
  { outcome = RELOADED, signal = 'SIGUSR2' as NodeJS.Signals } = {},
): Promise<string> {
  if (pieces !== undefined) tsfpm.folder.writePieces(pieces);
  tsfpm.signal(signal);
  const [lines] = await tsfpm.expectLog(outcome);
  return lines;
}

/**
 * Like {@link reload}, by the command.
 *
 * @returns what it prints: which pools are renewed, added, removed
 */
export async function reloadByCommand(tsfpm: Daemon, pieces?: Pieces): Promise<string> {
  if (pieces !== undefined) tsfpm.folder.writePieces(pieces);
  const { code, stdout } = await tsfpmCommand(tsfpm, 'reload');
  if (code !== 0) throw new Error(`tsfpm reload ended with ${code} and said:\n${stdout}`);
  await tsfpm.expectLog(RELOADED);
  return stdout;
}

export function zygotesOf(tsfpm: Daemon, pool: string): Pid[] {
  return tsfpm
    .family()
    .filter(({ title }) => title === `tsfpm: zygote ${pool}`)
    .map(({ pid }) => pid);
}

/** Zygotes and workers of a pool, of every generation. */
export function processesOf(tsfpm: Daemon, pool: string): Pid[] {
  return [...zygotesOf(tsfpm, pool), ...tsfpm.workers(pool)];
}

/** One zygote and that many workers are there, and none of those of before. */
export async function untilRenewed(
  tsfpm: Daemon,
  pool: string,
  before: readonly Pid[],
  workers: Count,
): Promise<void> {
  await until(`pool ${pool} is renewed`, () => {
    const now = processesOf(tsfpm, pool);
    return (
      now.length === 1 + workers &&
      zygotesOf(tsfpm, pool).length === 1 &&
      !before.some((pid) => now.includes(pid))
    );
  });
}

export interface ClosedLoop {
  readonly script: string;
  readonly pool?: string;
  readonly query?: string;
  readonly connections?: Count;
  readonly keepAlive?: boolean;
  readonly seconds: Seconds;
}

let isBuilt = false;

/** Clients that each send the next request when the last one is answered. */
export function closedLoop(tsfpm: Daemon, options: ClosedLoop): Promise<LoadResult> {
  if (!isBuilt) buildLoadGenerator();
  isBuilt = true;
  const { script, pool, query = '', connections = 4, keepAlive = false, seconds } = options;
  const address = tsfpm.address(pool);
  return runLoad(
    {
      address: typeof address === 'string' ? address : `${address.host}:${address.port}`,
      script: tsfpm.folder.script(script),
      params: { QUERY_STRING: query },
      connections,
      keepAlive,
      seconds,
    },
    new AbortController().signal,
  );
}
