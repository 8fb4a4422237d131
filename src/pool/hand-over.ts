import { DEFAULT_FORMAT } from '../accesslog/parse-format.js';
import type { PoolConfig } from '../config/config.js';
import type { Scoreboard } from '../scoreboard/scoreboard.js';
import type { Count, Fd, Pid } from '../units.js';

// What a master that upgrades in place leaves to the program that follows it in the same process. The two may be of
// different versions: fields are only ever added.

/**
 * Version of the records in the access-log rings and of the fields that an access format asks workers for. A program
 * that knows another version does not read the rings.
 */
export const LOG_RECORD_VERSION = 1;

/** Where the workers of one zygote leave their records for the access log, and how to make lines of them. */
export interface RequestLogHandle {
  readonly recordVersion: number;
  readonly scoreboardFd: Fd;
  readonly slotCount: Count;
  readonly pool: string;
  /** `access.log`, `access.format` and `access.suppress_path[]` as those workers were configured with them. */
  readonly path: string;
  readonly format: string;
  readonly suppressPaths: readonly string[];
  readonly workers: readonly { readonly slot: number; readonly pid: Pid }[];
}

/** A zygote that goes on under the next program. */
export interface ZygoteHandle {
  readonly pid: Pid;
  /** The master's end of its control channel. */
  readonly controlFd: Fd;
  /** Absent without an access log. */
  readonly requestLog?: RequestLogHandle;
}

export function requestLogHandle(
  pool: Pick<PoolConfig, 'name' | 'accessLog' | 'accessFormat' | 'accessSuppressPath'>,
  { fd, slotCount }: Pick<Scoreboard, 'fd' | 'slotCount'>,
  workers: RequestLogHandle['workers'],
): RequestLogHandle {
  return {
    recordVersion: LOG_RECORD_VERSION,
    scoreboardFd: fd,
    slotCount,
    pool: pool.name,
    path: pool.accessLog ?? '',
    format: pool.accessFormat ?? DEFAULT_FORMAT,
    suppressPaths: pool.accessSuppressPath.map(({ value }) => value),
    workers: workers.map(({ slot, pid }) => ({ slot, pid })),
  };
}
