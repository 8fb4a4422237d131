import type { LivePool, LiveSnapshot } from '../status/live.js';
import type { MasterMetrics, PoolMetrics } from '../status/metrics-input.js';
import type { PoolStatus } from '../status/status.js';

export interface Readiness {
  readonly ready: boolean;
  /** Shown with either answer: `starting`, `draining`, `pool shop cannot start workers: ...`. */
  readonly reason: string;
}

/** What the HTTP server shows. Each of thousands of pools is read when it is asked for. */
export interface HttpSource {
  pools(): Iterable<PoolStatus>;
  live(): Pick<LiveSnapshot, 'nowMs'> & { readonly pools: Iterable<LivePool> };
  metrics(): { readonly pools: Iterable<PoolMetrics>; readonly master: MasterMetrics };
  readiness(): Readiness;
}
