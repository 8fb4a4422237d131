import type { Count, Seconds } from '../../src/units.js';
import type { LoadOptions, LoadResult } from './load-generator.js';
import type { Site } from './site.js';
import type { Comparison } from './statistics.js';
import type { PoolSettings, Subject } from './subject.js';

/** One column of the report. */
export interface Metric {
  /** Key in {@link Sample.values}. */
  readonly key: string;
  /** Head of its column, with the unit. */
  readonly title: string;
  readonly digits: Count;
  /** Whether a column beside it compares with the baseline, round by round. */
  readonly comparison?: Comparison;
}

/** What tsfpm has to reach: against the baseline, in the median of the rounds' comparisons, or by itself. */
export interface Target {
  /** A metric that has a `comparison`, unless the target is absolute. */
  readonly metric: string;
  /** The limits are for the value itself, whatever the baseline's is. */
  readonly isAbsolute?: boolean;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What one measurement of one subject gave. */
export interface Sample {
  /** By metric; one that could not be measured is left out. */
  readonly values: Readonly<Record<string, number>>;
  /** All that makes the values doubtful, failed requests first of all. */
  readonly problems: readonly string[];
}

/** What a scenario works with while one subject runs. */
export interface Bench {
  readonly subject: Subject;
  readonly site: Site;
  /** How long a measurement should take. */
  readonly seconds: Seconds;
  readonly signal: AbortSignal;
  /** Runs the generator against the subject. */
  load(options: Omit<LoadOptions, 'address'>): Promise<LoadResult>;
  /** One request. @returns the raw CGI answer; `undefined` if it failed */
  fetch(script: string): Promise<string | undefined>;
}

/** "At or below php-fpm's", for a time that is compared as a ratio. */
export const noSlowerThanBaseline = (metric: string): Target => ({ metric, atMost: 1 });

/** One question asked of every subject; a file of its own under scenarios/. */
export interface Scenario {
  /** For `--scenario`. */
  readonly name: string;
  /** For the report. */
  readonly title: string;
  /** Why it cannot be measured on this machine; `undefined` if it can. */
  readonly unavailable?: string | undefined;
  readonly pool: PoolSettings;
  /** Set if it reloads: subjects that cannot are left out. */
  readonly reloads?: boolean;
  /** Scenarios that share the same array share a table. */
  readonly metrics: readonly Metric[];
  readonly targets: readonly Target[];
  /** What is measured instead with `--short`; by default the same. */
  readonly short?: Scenario;
  /** Measured in one round only. */
  readonly once?: boolean;
  /** Measured in no more rounds than these: the baseline takes its time. */
  readonly mostRounds?: Count;
  /**
   * Writes its pages, and starts what stands before or behind all subjects; before any of these is started.
   *
   * @param subjects those that take part, in order; their addresses are known, not their processes
   */
  prepare?(site: Site, subjects: readonly Subject[]): void | Promise<void>;
  /** Ends what `prepare()` has started, also where that has failed; after all subjects. @returns problems */
  finish?(): Promise<readonly string[]>;
  /** Once for each fresh subject. @returns problems that make what follows doubtful */
  warmUp(bench: Bench): Promise<readonly string[]>;
  measure(bench: Bench): Promise<Sample>;
}
