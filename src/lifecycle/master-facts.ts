import type { Pool } from '../pool/pool.js';
import type { Count, Milliseconds } from '../units.js';
import type { MasterState } from './transitions.js';

/** What the master's servers tell of it; what may change is asked anew each time. */
export interface MasterFacts {
  /** Version of tsfpm. */
  readonly version: string;
  /** The path that the command line gives. */
  readonly configFile: string;
  readonly startEpochMs: Milliseconds;
  readonly pools: () => readonly Pool[];
  readonly state: () => MasterState;
  readonly reloads: () => ReloadCounts;
}

/** How many reloads of this program succeeded and failed. */
export interface ReloadCounts {
  readonly succeeded: Count;
  readonly failed: Count;
  /** The last one that succeeded, or the start. */
  readonly lastEpochMs: Milliseconds;
  /** How long the last one took, whether it succeeded or not; undefined before the first. */
  readonly lastDurationMs?: Milliseconds;
  /** Also before the first one. */
  readonly isLastComplete: boolean;
}
