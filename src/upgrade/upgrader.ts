import { mistakeText, type RestartHistory } from '../lifecycle/mistakes.js';
import type { Outcome } from '../lifecycle/outcome.js';
import type { Logger } from '../log/levels.js';
import { systemFailure } from '../os/libc.js';
import type { Environment } from '../zygote/environment.js';
import type { HandOver, InstalledProgram } from './installed-program.js';

export interface UpgraderParts {
  readonly log: Logger;
  readonly installed: InstalledProgram;
  /** Version of the program that runs. */
  readonly version: string;
  /** The program that runs came by an upgrade in place. */
  readonly isUpgraded: boolean;
  readonly isBackground: boolean;
  /** For the trial. */
  readonly environment: Environment;
  /** For the program that takes over, besides {@link environment}. */
  readonly notifyVariables: Environment;
  /** Ends the keepers of kept connections, which know nothing of another program. */
  readonly finishKeeping: () => Promise<void>;
  /** The present program serves on. */
  readonly resumeKeeping: () => void;
  /** Writes out what the access logs have gathered. */
  readonly flushLogs: () => Promise<void>;
  /** Sockets, zygotes and the pid file as they are now. */
  readonly handOver: () => Pick<HandOver, 'sockets' | 'zygotes' | 'pidFile'>;
}

/**
 * Upgrade in place, from the side of the program that is replaced. The installed program is put on trial first; what
 * fails before the exec, or the exec itself, leaves everything as it was.
 */
export class Upgrader {
  readonly #parts: UpgraderParts;
  #lastOutcome: Outcome | undefined;

  constructor(parts: UpgraderParts) {
    this.#parts = parts;
    if (parts.isUpgraded)
      this.#lastOutcome = { isComplete: true, summary: `upgraded; tsfpm ${parts.version} serves` };
  }

  /** How the last upgrade ended, here or in the program before this one. */
  get lastOutcome(): Outcome | undefined {
    return this.#lastOutcome;
  }

  isNewVersionInstalled(): boolean {
    try {
      return this.#parts.installed.version() !== this.#parts.version;
    } catch {
      return false; // an installation is under way, or broken: the master reloads with what runs
    }
  }

  /**
   * An upgrade that an administrator has asked for.
   *
   * @param restarts of this process so far, for the program that takes over
   * @param stop ends the trial
   * @returns only if it fails
   */
  async upgrade(restarts: RestartHistory, stop: AbortSignal): Promise<Outcome> {
    const { log } = this.#parts;
    log.notice('Upgrade in progress ...');
    const reason = await this.#replaceProgram(restarts, stop);
    const summary = `upgrade refused: ${reason}; the running program serves on`;
    log.error(summary);
    this.#lastOutcome = { isComplete: false, summary };
    return this.#lastOutcome;
  }

  /** After a mistake of the running program, to whatever is installed; otherwise like {@link upgrade}. */
  async restart(restarts: RestartHistory, stop: AbortSignal): Promise<void> {
    const { log } = this.#parts;
    log.notice('Restart in place in progress ...');
    const reason = await this.#replaceProgram(restarts, stop);
    log.error(`restart in place refused: ${reason}; the running program serves on`);
  }

  /** @returns only if that fails, why */
  async #replaceProgram(restarts: RestartHistory, stop: AbortSignal): Promise<string> {
    try {
      return await this.#tryToReplaceProgram(restarts, stop);
    } catch (error) {
      const failure = systemFailure(error);
      if (failure === undefined) this.#parts.log.alert(mistakeText(error));
      return failure ?? 'internal error';
    }
  }

  async #tryToReplaceProgram(restarts: RestartHistory, stop: AbortSignal): Promise<string> {
    const { log, installed, isBackground, environment, notifyVariables } = this.#parts;
    const failure = await installed.prove({ ...environment }, stop);
    if (failure !== undefined) return `the installed program cannot take over: ${failure}`;
    await this.#parts.finishKeeping();
    await this.#parts.flushLogs();
    if (stop.aborted) return 'the master is stopping';
    const words = installed.command().map((word) => `"${word}"`);
    log.notice(`upgrading: execve(${words.join(', ')})`);
    const { message } = installed.takeOver({
      ...this.#parts.handOver(),
      isBackground,
      restarts,
      environment: { ...environment, ...notifyVariables },
    });
    this.#parts.resumeKeeping();
    return message;
  }
}
