import type { LiveSnapshot } from '../status/live.js';
import type { MetricsInput } from '../status/metrics-input.js';
import type { PoolStatus } from '../status/status.js';

export interface Readiness {
  readonly ready: boolean;
  /** Shown with either answer: `starting`, `draining`, `pool shop cannot start workers: ...`. */
  readonly reason: string;
}

/** What the HTTP server shows. Called for each request, so it should cost little. */
export interface HttpSource {
  pools(): readonly PoolStatus[];
  live(): LiveSnapshot;
  metrics(): MetricsInput;
  readiness(): Readiness;
}
