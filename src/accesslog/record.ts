import type { Bytes, Microseconds, Pid } from '../units.js';

/** `enum tsfpm_log_field_kind` of runtime/control.h; a test compares both. */
export const LOG_FIELD_KINDS = { PARAM: 1, HEADER: 2, URI: 3, SCRIPT: 4, PEER: 5, CPU: 6 } as const;

export type LogFieldKind = keyof typeof LOG_FIELD_KINDS;

/** One text of a request that the worker is to note. */
export interface LogField {
  readonly kind: LogFieldKind;
  /** Name of the param or header. */
  readonly name: string;
  /** Bytes of it that are kept. */
  readonly most: Bytes;
}

/** What a worker writes of a request that has ended. All of it is hostile but `pid` and `parentPid`. */
export interface RequestRecord {
  readonly pid: Pid;
  readonly parentPid: Pid;
  readonly status: number;
  /** Microseconds since 1970. */
  readonly startEpochUs: number;
  readonly durationNs: number;
  readonly memoryPeak: Bytes;
  readonly cpuUserUs: number;
  readonly cpuSystemUs: number;
  /** In the order of the fields; Latin-1, so that no byte is lost. `undefined` for what the request does not have. */
  readonly texts: readonly (string | undefined)[];
}

/** When the request ended: microseconds since 1970. */
export function endOf({ startEpochUs, durationNs }: RequestRecord): Microseconds {
  return startEpochUs + durationNs / 1000;
}
