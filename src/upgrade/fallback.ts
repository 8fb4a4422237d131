import { EXIT_OK, EXIT_SOFTWARE, unreachable } from '../errors.js';
import { MASTER_SIGNALS, type MasterSignal, ZYGOTE_PATIENCE_MS } from '../lifecycle/transitions.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { Logger } from '../log/levels.js';
import { notify } from '../systemd/notify.js';
import type { NotifyEnvironment } from '../systemd/notify-environment.js';
import type { Milliseconds } from '../units.js';
import { FALLBACK_TRANSITIONS, type FallbackState } from './fallback-transitions.js';
import type { Predecessor } from './predecessor.js';

export interface FallbackParts {
  readonly predecessor: Pick<
    Predecessor,
    'startAgain' | 'drain' | 'killWorkers' | 'killZygotes' | 'ended' | 'close'
  >;
  readonly log: Logger;
  /** What the former workers serve is logged there. */
  readonly accessLogs: Pick<AccessLogs, 'close'>;
  readonly notify: NotifyEnvironment | undefined;
}

/** The reason that kept the program from starting may have passed by then. */
const RETRY_MS: Milliseconds = 10_000;

/**
 * After an upgrade whose program could not start: the workers of the former program serve on, as many as there are,
 * without scaling, pages or reload. The start is tried again, as from the exec, every now and then and on USR2
 * or HUP.
 */
export class Fallback {
  readonly #parts: FallbackParts;
  #state: FallbackState = 'serving';
  #retryTimer: NodeJS.Timeout | undefined;
  #killTimer: NodeJS.Timeout | undefined;

  constructor(parts: FallbackParts) {
    this.#parts = parts;
  }

  /** @returns the exit code, when none of the former processes is left: after a stop, or without one */
  async serve(): Promise<number> {
    const { predecessor, log, accessLogs, notify: systemd } = this.#parts;
    log.error(
      'the upgraded program could not start; the workers of the one before it serve on. ' +
        `Trying again in ${RETRY_MS / 1000} s, and at SIGUSR2`,
    );
    if (systemd !== undefined)
      notify(systemd.socket, { ready: true, status: 'Upgrade failed; former workers serve' });
    this.#retryTimer = setInterval(() => this.#startAgain(), RETRY_MS);
    this.#takeSignals();
    await predecessor.ended;
    // Without workers nothing is served any more: the supervisor of this process starts it anew.
    const code = this.#state === 'serving' ? EXIT_SOFTWARE : EXIT_OK;
    clearInterval(this.#retryTimer);
    clearTimeout(this.#killTimer);
    predecessor.close();
    await accessLogs.close();
    log.notice('exiting, bye-bye!');
    return code;
  }

  /** Acts like the process on a signal that it receives. */
  onSignal(signal: MasterSignal): void {
    const { predecessor, log } = this.#parts;
    const { next, action } = FALLBACK_TRANSITIONS[this.#state][signal];
    this.#state = next;
    switch (action) {
      case 'ignore':
        return;
      case 'try again':
        this.#startAgain();
        return;
      case 'finish':
        clearInterval(this.#retryTimer);
        log.notice('Finishing ...');
        predecessor.drain();
        return;
      case 'kill':
        clearInterval(this.#retryTimer);
        predecessor.killWorkers();
        this.#killTimer = setTimeout(() => predecessor.killZygotes(), ZYGOTE_PATIENCE_MS);
        return;
      default:
        unreachable(action);
    }
  }

  /** From a master whose start has failed. Each signal keeps a listener throughout: without one it ends the process. */
  #takeSignals(): void {
    for (const signal of MASTER_SIGNALS) {
      const former = process.listeners(signal);
      process.on(signal, () => this.onSignal(signal));
      for (const listener of former) process.off(signal, listener);
    }
  }

  /** Returns only if even the exec fails. */
  #startAgain(): void {
    const { predecessor, log } = this.#parts;
    const failure = predecessor.startAgain();
    log.error(`${failure.message}; the workers of the program before serve on`);
  }
}
