import type { Count, Milliseconds, Pid } from '../../src/units.js';

/** How a pool is set up; the same for every subject, as far as it can do it. */
export interface PoolSettings {
  readonly pm: 'static' | 'dynamic' | 'ondemand';
  readonly maxChildren: Count;
  /** How many such pools, each with a socket of its own (`poolAddress()`). Default 1. */
  readonly pools?: Count;
  /** PHP has all extensions of this machine; default is opcache alone. */
  readonly hasAllExtensions?: boolean;
  /** More pool directives by name, for the subjects that read a pool file; `{address}` is the subject's. */
  readonly directives?: Readonly<Record<string, string>>;
  /** Pool directives that php-fpm does not know. */
  readonly tsfpmDirectives?: Readonly<Record<string, string>>;
}

/** A process manager under test. One that runs is started anew for each scenario. */
export interface Subject {
  readonly name: string;
  /** What the generator connects to. */
  readonly address: string;
  /** Where its log goes, for what went wrong. */
  readonly logFile: string;
  /** Why it cannot take part on this machine; `undefined` if it can. */
  readonly unavailable: string | undefined;
  /** Whether it can run such a pool and do what the scenario asks: spawn-fcgi knows neither scaling nor reload. */
  supports(pool: PoolSettings, needs: { readonly reload: boolean }): boolean;
  /**
   * Returns once it answers requests and, with `pm = static`, has all its workers.
   *
   * @throws Error with the end of its log if it does not come up
   */
  start(pool: PoolSettings, signal: AbortSignal): Promise<void>;
  /**
   * A start during which no pool is asked anything.
   *
   * @returns how long it takes until its log says that it is ready
   * @throws Error with the end of its log if it does not come up
   */
  timedStart(pool: PoolSettings, signal: AbortSignal): Promise<Milliseconds>;
  /** The processes that run PHP scripts now; empty if it does not run. */
  workerPids(): Pid[];
  /** The process that manages the workers; `undefined` if it does not run. */
  mainPid(): Pid | undefined;
  /** Asks for a graceful reload and does not wait for it. @throws Error if it does not run or cannot */
  reload(): void;
  /**
   * @returns how long a graceful reload takes until its log says that it is ready again
   * @throws Error with the end of its log if it does not become ready
   */
  timedReload(signal: AbortSignal): Promise<Milliseconds>;
  /** Ends it with everything under it. @returns what did not end as it should; empty if all did */
  stop(): Promise<string[]>;
}
