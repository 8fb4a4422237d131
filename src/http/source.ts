import type { MetricsInput } from '../status/metrics-input.js';
import type { PoolStatus } from '../status/status.js';

export interface Readiness {
  readonly ready: boolean;
  /** Shown with either answer: `starting`, `draining`, `pool shop cannot start workers: ...`. */
  readonly reason: string;
}

/** What the door shows; asked anew for each request, so an answer should cost little. */
export interface HttpDoorSource {
  pools(): readonly PoolStatus[];
  metrics(): MetricsInput;
  readiness(): Readiness;
}
