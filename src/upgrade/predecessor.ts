import { closeSync } from 'node:fs';
import { EXIT_OK, EXIT_SOFTWARE, errorText } from '../errors.js';
import { ZYGOTE_PATIENCE_MS } from '../lifecycle/patience.js';
import { removePidFile } from '../lifecycle/pid-file.js';
import { MASTER_SIGNALS, type MasterSignal } from '../lifecycle/transitions.js';
import { type InheritedSocket, InheritedStock } from '../listen/inherited.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { duplicateDescriptor } from '../os/descriptor.js';
import { notify } from '../systemd/notify.js';
import type { NotifyEnvironment } from '../systemd/notify-environment.js';
import type { Milliseconds } from '../units.js';
import type { Environment } from '../zygote/environment.js';
import { ForeignZygote } from './foreign-zygote.js';
import { becomeNewProgram, type Takeover } from './takeover.js';

export interface PredecessorOptions {
  readonly takeover: Takeover;
  /** All that it has handed over. */
  readonly sockets: readonly InheritedSocket[];
  readonly environment: Environment;
  readonly notify: NotifyEnvironment | undefined;
  readonly log: MasterLog;
  /** The master's: what both write to the same file is in order there. */
  readonly accessLogs: AccessLogs;
}

/** Whatever kept the program from starting may have passed by then. */
const RETRY_MS: Milliseconds = 10_000;

/**
 * What is left of the program that this process ran before an upgrade in place: its zygotes, whose workers serve until
 * ours do. The installed program was tried before; should it fail to start all the same, this keeps the service up.
 */
export class Predecessor {
  /** When none of its processes is left. */
  readonly ended: Promise<unknown>;
  readonly #options: PredecessorOptions;
  readonly #zygotes: readonly ForeignZygote[];
  /** The master closes those that it takes over when it has to give up its start. */
  readonly #spare: InheritedSocket[];

  constructor(options: PredecessorOptions) {
    this.#options = options;
    this.#zygotes = options.takeover.zygotes.map((zygote) => new ForeignZygote(zygote, options));
    this.ended = Promise.all(this.#zygotes.map(({ ended }) => ended));
    this.#spare = options.sockets.flatMap((socket) => this.#spareOf(socket));
  }

  /** Without one, a program that starts after a failed start binds that socket anew: no reason to end here. */
  #spareOf(socket: InheritedSocket): InheritedSocket[] {
    try {
      return [{ ...socket, fd: duplicateDescriptor(socket.fd) }];
    } catch (error) {
      this.#options.log.error(errorText(error));
      return [];
    }
  }

  /**
   * Our workers serve from the same sockets: the others have done their duty.
   *
   * @param boundMs for what they have in hand; 0 is none
   */
  retire(boundMs: Milliseconds = 0): void {
    if (boundMs > 0) setTimeout(() => this.killWorkers(), boundMs).unref();
    for (const { fd } of this.#spare.splice(0)) closeSync(fd);
    for (const zygote of this.#zygotes) zygote.drain();
  }

  /** Requests in hand are cut off. */
  killWorkers(): void {
    for (const zygote of this.#zygotes) zygote.killWorkers();
  }

  killZygotes(): void {
    for (const zygote of this.#zygotes) zygote.kill();
  }

  /**
   * The start has failed, and the former workers serve on: as many as there are, without scaling, pages or reload. The start is tried
   * again, as from the exec, every now and then and on USR2 or HUP.
   *
   * @returns the exit code after a stop: QUIT and TERM let requests in hand end, INT or a second TERM does not wait
   */
  serveOn(): Promise<number> {
    const { log, accessLogs, notify: systemd } = this.#options;
    log.error(
      `the upgraded program could not start; the workers of the one before it serve on. Trying again in ${RETRY_MS / 1000} s, and at SIGUSR2`,
    );
    if (systemd !== undefined)
      notify(systemd.socket, { ready: true, status: 'Upgrade failed; former workers serve' });
    return new Promise((resolve) => {
      let isStopping = false;
      const retry = setInterval(() => this.#tryAgain(), RETRY_MS);
      const end = (code: number) => {
        clearInterval(retry);
        clearTimeout(patience);
        this.#cleanUp();
        void accessLogs.close().then(() => {
          log.notice('exiting, bye-bye!');
          resolve(code);
        });
      };
      let patience: NodeJS.Timeout | undefined;
      const kill = () => {
        isStopping = true;
        clearInterval(retry);
        this.killWorkers();
        patience ??= setTimeout(() => this.killZygotes(), ZYGOTE_PATIENCE_MS);
      };
      const stop = () => {
        if (isStopping) return kill();
        isStopping = true;
        clearInterval(retry);
        log.notice('Finishing ...');
        for (const zygote of this.#zygotes) zygote.drain();
      };
      const meaning: Readonly<Record<MasterSignal, () => void>> = {
        SIGTERM: stop,
        SIGQUIT: () => isStopping || stop(),
        SIGINT: kill,
        SIGUSR1: () => {},
        SIGUSR2: () => isStopping || this.#tryAgain(),
        SIGHUP: () => isStopping || this.#tryAgain(),
      };
      for (const signal of MASTER_SIGNALS) {
        process.removeAllListeners(signal); // of the master that has given up
        process.on(signal, meaning[signal]);
      }
      // Without its workers nothing is served any more: whoever supervises this process starts it anew.
      void this.ended.then(() => end(isStopping ? EXIT_OK : EXIT_SOFTWARE));
    });
  }

  /** @returns only if even the exec fails */
  #tryAgain(): void {
    const { takeover, environment, notify: systemd, log } = this.#options;
    const failure = becomeNewProgram({
      ...takeover,
      sockets: this.#spare,
      environment: { ...environment, ...systemd?.variables },
    });
    log.error(`${failure.message}; the workers of the program before serve on`);
  }

  #cleanUp(): void {
    const { takeover, log } = this.#options;
    new InheritedStock(this.#spare).closeRest();
    try {
      if (takeover.pidFile !== undefined) removePidFile(takeover.pidFile);
    } catch (error) {
      log.error(errorText(error));
    }
  }
}
