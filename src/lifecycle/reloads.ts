import type { Config } from '../config/config.js';
import { isFatal } from '../config/problem.js';
import { errorText } from '../errors.js';
import type { Logger } from '../log/levels.js';
import { systemFailure } from '../os/libc.js';
import type { PoolSet } from '../reload/pool-set.js';
import type { SystemdService } from '../systemd/service.js';
import type { Milliseconds } from '../units.js';
import type { ErrorLog } from './error-log.js';
import type { ReloadCounts } from './master-facts.js';
import type { Outcome } from './outcome.js';
import type { PidFile } from './pid-file.js';
import type { CheckedFile } from './read-config.js';
import { hasChangedPools, reloadSummary, tellReloaded, tellReloading } from './reload-lines.js';
import type { Servers } from './servers.js';
import { systemdInterval } from './service-facts.js';

export interface ReloadParts {
  /** What the master starts with. */
  readonly config: Config;
  readonly log: Logger;
  readonly pools: Pick<PoolSet, 'reload' | 'handOver'>;
  readonly errorLog: Pick<ErrorLog, 'change'>;
  readonly pidFile: Pick<PidFile, 'use' | 'path'>;
  readonly servers: Pick<Servers, 'openHttp' | 'openControl'>;
  readonly systemd: Pick<SystemdService, 'configure'>;
  /**
   * Reads the file again and tells what is wrong with it.
   *
   * @throws what the system refuses
   */
  readonly readConfig: () => CheckedFile;
  /** Told of an exception that nobody foresaw. */
  readonly onMistake: (error: unknown) => void;
}

interface ReloadOutcome extends Outcome {
  /** Pools serve by the new file, if not all of them. */
  readonly isInForce: boolean;
}

/** Goes over from one configuration to the next; where the next one is refused the present one stays in force. */
export class Reloads {
  readonly #parts: ReloadParts;
  #config: Config;
  #counts: ReloadCounts = { succeeded: 0, failed: 0, lastEpochMs: Date.now(), isLastComplete: true };

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#config = parts.config;
  }

  /** The configuration that is in force. */
  get config(): Config {
    return this.#config;
  }

  get counts(): ReloadCounts {
    return this.#counts;
  }

  /**
   * One reload, told in the log. Never throws.
   *
   * @param isStopping whether a stop has come meanwhile
   */
  async perform(isStopping: () => boolean): Promise<Outcome> {
    const { log, pools, onMistake } = this.#parts;
    const startMs = performance.now();
    log.notice('Reloading in progress ...');
    const { sockets } = pools.handOver();
    const outcome = await this.#goOver(isStopping).catch((error: unknown): ReloadOutcome => {
      onMistake(error);
      return { isComplete: false, isInForce: false, summary: 'reload failed: internal error' };
    });
    this.#count(outcome.isComplete, performance.now() - startMs);
    if (outcome.isInForce && !isStopping()) tellReloaded(log, sockets);
    if (outcome.isComplete) log.debug(outcome.summary);
    else log.error(outcome.summary);
    return outcome;
  }

  #count(isComplete: boolean, lastDurationMs: Milliseconds): void {
    const { succeeded, failed, lastEpochMs } = this.#counts;
    this.#counts = isComplete
      ? { succeeded: succeeded + 1, failed, lastEpochMs: Date.now(), lastDurationMs, isLastComplete: true }
      : { succeeded, failed: failed + 1, lastEpochMs, lastDurationMs, isLastComplete: false };
  }

  /** The file is read and checked whole before anything changes. */
  async #goOver(isStopping: () => boolean): Promise<ReloadOutcome> {
    const refused = { isComplete: false, isInForce: false };
    const next = this.#readConfig();
    if (Array.isArray(next))
      return { ...refused, summary: 'reload refused: the configuration in force stays', reasons: next };
    const report = await this.#parts.pools.reload(next);
    if (isStopping()) return { ...refused, summary: 'reload given up: the master is stopping' };
    const isInForce = hasChangedPools(report);
    if (isInForce) tellReloading(this.#parts.log, process.argv.slice(1));
    const failed = report.failed.map(({ pool, reason }) => ({
      what: `pool ${pool}`,
      reason: `[pool ${pool}] ${reason}`,
    }));
    const problems = [...failed, ...(await this.#applyGlobal(next))];
    this.#config = next;
    const summary = reloadSummary(
      report,
      problems.map(({ what }) => what),
    );
    return {
      isComplete: problems.length === 0,
      isInForce,
      summary,
      reasons: problems.map(({ reason }) => reason),
    };
  }

  /** @returns the reasons where it is wrong or cannot be read; they have been logged */
  #readConfig(): Config | string[] {
    try {
      const { config, problems } = this.#parts.readConfig();
      return config ?? problems.filter(isFatal).map(({ message }) => message);
    } catch (error) {
      const failure = systemFailure(error);
      if (failure === undefined) throw error;
      this.#parts.log.error(failure);
      return [failure];
    }
  }

  /** @returns the directives that could not be applied, and why */
  async #applyGlobal(config: Config): Promise<{ what: string; reason: string }[]> {
    const { log, errorLog, pidFile, servers, systemd } = this.#parts;
    const { global } = config;
    systemd.configure(systemdInterval(config));
    const problems: { what: string; reason: string }[] = [];
    const attempt = async (directive: string, apply: () => unknown) => {
      try {
        await apply();
      } catch (error) {
        const reason = errorText(error);
        log.error(reason);
        problems.push({ what: directive, reason });
      }
    };
    await attempt('error_log', () => errorLog.change(global));
    await attempt('pid', () => pidFile.use(global.pid));
    await attempt('http.listen', () => servers.openHttp(global.httpListen, global.httpHosts));
    await attempt('control.listen', () => servers.openControl(global.controlListen, pidFile.path));
    return problems;
  }
}
