/** What a reload did, by pool. */
export interface ReloadReport {
  readonly renewed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
  /** Pools that keep what they had before, or do not come into being. */
  readonly failed: readonly FailedPool[];
}

export interface FailedPool {
  readonly pool: string;
  readonly reason: string;
}

/** Logs why a pool cannot be as the configuration wants it, and notes it for the report. */
export type Fail = (pool: string, reason: string) => void;

/** For a reload that a stop has cut short: that it failed is no news. */
export const GIVEN_UP: ReloadReport = { renewed: [], added: [], removed: [], unchanged: [], failed: [] };
