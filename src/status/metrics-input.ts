import type { Bytes, Count, Seconds } from '../units.js';
import type { PoolStatus } from './status.js';

/**
 * Durations of finished requests, counted by size.
 */
export interface DurationHistogram {
  /** Upper bounds in rising order, without the last, which is infinite. */
  readonly upperBoundsS: readonly Seconds[];
  /** Requests in each bucket alone, not the sum so far; one more than the bounds. Missing ones count 0. */
  readonly counts: readonly (number | bigint)[];
  readonly sumS: Seconds;
}

export interface PoolMetrics {
  readonly status: PoolStatus;
  /** False while the pool cannot start workers. */
  readonly isUp: boolean;
  /** An idle ondemand pool has none. */
  readonly hasZygote: boolean;
  readonly requestDurations: DurationHistogram;
  /** Requests ended, by the class of their HTTP status: `2xx`; `unknown` where it is not known. */
  readonly responses: ReadonlyMap<string, Count | bigint>;
  /** Processor time of requests that have ended, user and system. */
  readonly cpuS: Seconds;
  /** pm.max_children */
  readonly maxChildren: Count;
  /** Memory of each worker that it shares with nobody, in the order of `status.processes`; undefined: not known. */
  readonly privateBytes: readonly (Bytes | undefined)[];
  /** Workers forked, over all generations. */
  readonly forks: Count | bigint;
  /** Workers that ended, by reason: `idle`, `max_requests`, `signal SEGV`. Any text. */
  readonly deaths: ReadonlyMap<string, Count | bigint>;
}

/** With the labels of its samples. */
export interface LabelledPool extends PoolMetrics {
  /** `{pool="www"}` */
  readonly labels: string;
}

export interface MasterMetrics {
  readonly version: string;
  readonly pid: number;
  /** Seconds since 1970. */
  readonly startEpochS: Seconds;
  readonly reloads: { readonly succeeded: Count; readonly failed: Count };
  /** True after a successful start, too. */
  readonly isLastReloadSuccessful: boolean;
  /** undefined before the first reload. */
  readonly lastReloadDurationS: Seconds | undefined;
  /** When the configuration in force was loaded, in seconds since 1970. */
  readonly lastReloadEpochS: Seconds;
  readonly cpuS: Seconds;
  readonly residentBytes: Bytes;
}

/** All that /metrics shows. */
export interface MetricsInput {
  /** No two pools have the same name. */
  readonly pools: readonly PoolMetrics[];
  readonly master: MasterMetrics;
}
