import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { errorText } from '../errors.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { Logger } from '../log/levels.js';
import { SpareDescriptors } from '../os/spare-descriptors.js';
import type { PoolSet } from '../reload/pool-set.js';
import type { SystemdService } from '../systemd/service.js';
import type { Count, Fd, Milliseconds } from '../units.js';
import type { PidFile } from './pid-file.js';
import type { Servers } from './servers.js';
import { LAST_PATIENCE_MS, ZYGOTE_PATIENCE_MS } from './transitions.js';

/** What is left of the program before this one, in the same process. */
export interface FormerProgram {
  readonly ended: Promise<unknown>;
  /** @param boundMs for requests in hand; 0 is none */
  retire(boundMs?: Milliseconds): void;
  killWorkers(): void;
  killZygotes(): void;
}

/** What a stop ends, and closes. */
export interface StopParts {
  readonly log: Logger;
  readonly pools: Pick<PoolSet, 'drain' | 'killWorkers' | 'killZygotes' | 'ended' | 'close'>;
  readonly formerProgram: FormerProgram | undefined;
  readonly servers: Pick<Servers, 'close'>;
  readonly systemd: Pick<SystemdService, 'stopping' | 'close'>;
  readonly pidFile: Pick<PidFile, 'remove' | 'leave'>;
  readonly accessLogs: Pick<AccessLogs, 'keep' | 'close'>;
  /** The runtime library, open for zygotes. */
  readonly libraryFd: Fd;
}

/** What a stop opens: a socket for systemd, /proc for what is left of a former program. */
const SPARE_FOR_STOP: Count = 8;

/** How the service ends: workers finish or are killed, then zygotes are, and then nothing is waited for any more. */
export class Stop {
  readonly #parts: StopParts;
  readonly #begun = new AbortController();
  readonly #patienceOver = new AbortController();
  /** Settles when a stop begins. */
  readonly begun = once(this.#begun.signal, 'abort');
  #timer: NodeJS.Timeout | undefined;
  readonly #spare = new SpareDescriptors(SPARE_FOR_STOP);

  constructor(parts: StopParts) {
    this.#parts = parts;
  }

  /** Aborted when a stop begins. */
  get signal(): AbortSignal {
    return this.#begun.signal;
  }

  /**
   * Workers finish what they have in hand.
   *
   * @param boundMs after which `onOver` is called; 0 is none
   */
  drain(boundMs: Milliseconds, onOver: () => void): void {
    const { pools, formerProgram } = this.#parts;
    if (boundMs > 0) this.#after(boundMs, onOver);
    this.#begin();
    pools.drain();
    formerProgram?.retire();
  }

  /** Requests in hand are cut off. */
  kill(): void {
    const { pools, formerProgram } = this.#parts;
    this.#after(ZYGOTE_PATIENCE_MS, () => {
      this.#after(LAST_PATIENCE_MS, () => this.#patienceOver.abort());
      pools.killZygotes();
      formerProgram?.killZygotes();
    });
    this.#begin();
    pools.killWorkers();
    formerProgram?.killWorkers();
  }

  /** Sets the timer of the stop, and clears the one before. Call it before anything that can fail. */
  #after(delayMs: Milliseconds, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, delayMs);
  }

  #begin(): void {
    this.#spare.release();
    this.#begun.abort();
    this.#parts.systemd.stopping();
  }

  /**
   * Waits until nothing is left but this process, or what is left does not end, and closes everything.
   *
   * @param others that have to end, too
   * @returns whether all has ended; if not, that has been told
   */
  async complete(others: Promise<unknown>): Promise<boolean> {
    const { pools, formerProgram } = this.#parts;
    const hasEnded = await this.#inPatience(Promise.all([others, pools.ended(), formerProgram?.ended]));
    await this.#closeAll({ keepsInherited: false });
    return hasEnded;
  }

  /** Takes back a start that failed; what a former program still serves with stays. */
  async abandon(): Promise<void> {
    const { pools, formerProgram, pidFile } = this.#parts;
    pools.killWorkers();
    pools.killZygotes();
    this.#after(LAST_PATIENCE_MS, () => this.#patienceOver.abort());
    await this.#inPatience(pools.ended());
    const keepsInherited = formerProgram !== undefined;
    if (keepsInherited) pidFile.leave();
    await this.#closeAll({ keepsInherited });
  }

  async #inPatience(ended: Promise<unknown>): Promise<boolean> {
    const { signal } = this.#patienceOver;
    await Promise.race([ended, once(signal, 'abort')]);
    clearTimeout(this.#timer);
    if (signal.aborted) this.#parts.log.error('processes that were killed do not end; leaving them');
    return !signal.aborted;
  }

  /** Where one thing cannot be closed the others are. */
  async #closeAll({ keepsInherited }: { readonly keepsInherited: boolean }): Promise<void> {
    const { log, systemd, servers, pools, accessLogs, libraryFd, pidFile } = this.#parts;
    this.#spare.release();
    systemd.close();
    for (const close of [
      () => servers.close(),
      () => pools.close({ keepsInherited }),
      // A former program's workers may write to the same files.
      () => (keepsInherited ? accessLogs.keep([]) : accessLogs.close()),
      () => closeSync(libraryFd),
      () => pidFile.remove(),
    ]) {
      try {
        await close();
      } catch (error) {
        log.error(errorText(error));
      }
    }
  }
}
