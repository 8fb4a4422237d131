import type { Logger } from '../log/levels.js';
import type { Count, Milliseconds, Seconds } from '../units.js';
import { CrashCounter, isCrash } from './crashes.js';
import type { EndedWorker } from './worker-table.js';

/** `emergency_restart_threshold` and `emergency_restart_interval`; either of them 0 is off. */
export interface EmergencySettings {
  readonly threshold: Count;
  readonly intervalS: Seconds;
}

export interface EmergencyParts {
  readonly pool: string;
  readonly log: Logger;
  /** Monotonic. */
  readonly nowMs: () => Milliseconds;
  /** Gives the pool a new generation. @returns why that cannot be */
  readonly renew: () => Promise<string | undefined>;
}

/** Gives a pool a fresh opcache when too many of its workers crash; other pools are not concerned. */
export class EmergencyRestart {
  readonly #parts: EmergencyParts;
  #settings: EmergencySettings;
  #crashes: CrashCounter;
  #isRenewing = false;

  constructor(settings: EmergencySettings, parts: EmergencyParts) {
    this.#parts = parts;
    this.#settings = settings;
    this.#crashes = new CrashCounter(settings);
  }

  /** Counting begins anew. */
  restart(settings: EmergencySettings): void {
    this.#settings = settings;
    this.#crashes = new CrashCounter(settings);
  }

  /** A worker of the generation that serves has ended, and nobody had told it to. */
  onWorkerEnded({ status, wasTimedOut }: Pick<EndedWorker, 'status' | 'wasTimedOut'>): void {
    if (!wasTimedOut && isCrash(status) && this.#crashes.add(this.#parts.nowMs())) void this.#renew();
  }

  async #renew(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const { pool, log, renew } = this.#parts;
    const { threshold, intervalS } = this.#settings;
    log.warning(
      `failed processes threshold (${threshold} in ${intervalS} sec) is reached, initiating reload of pool ${pool}`,
      { pool },
    );
    let failure: string | undefined;
    try {
      failure = await renew();
    } finally {
      this.#isRenewing = false;
    }
    if (failure !== undefined) log.error(`[pool ${pool}] ${failure}; it stays as it is`);
  }
}
