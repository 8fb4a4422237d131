import { closeSync } from 'node:fs';
import { errorText, type SystemError } from '../errors.js';
import { removePidFile } from '../lifecycle/pid-file.js';
import { type InheritedSocket, InheritedStock } from '../listen/inherited.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { duplicateDescriptor } from '../os/descriptor.js';
import type { Milliseconds } from '../units.js';
import type { Environment } from '../zygote/environment.js';
import { ForeignZygote } from './foreign-zygote.js';
import type { Inheritance } from './inheritance.js';
import { INSTALLED_PROGRAM } from './installed-program.js';
import type { Takeover } from './takeover.js';

export interface PredecessorParts {
  /** What this process was started with. */
  readonly environment: Environment;
  readonly log: MasterLog;
  /** The master's: lines of both programs to the same file stay in order. */
  readonly accessLogs: AccessLogs;
}

/** @returns undefined where this process has run no other program before */
export function predecessorOf(inheritance: Inheritance, parts: PredecessorParts): Predecessor | undefined {
  const { takeover } = inheritance;
  return takeover && new Predecessor({ ...inheritance, ...parts, takeover });
}

interface PredecessorOptions extends Inheritance, PredecessorParts {
  readonly takeover: Takeover;
}

/**
 * What is left of the program that this process ran before an upgrade in place: its zygotes, whose workers serve until
 * those of this program do.
 */
export class Predecessor {
  /** When none of its processes is left. */
  readonly ended: Promise<unknown>;
  readonly #options: PredecessorOptions;
  readonly #zygotes: readonly ForeignZygote[];
  /** Copies, since a master that gives up its start closes those that it has taken over. */
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
   * The workers of this program serve from the same sockets: the former ones finish, and no other start is tried.
   *
   * @param boundMs for what they have in hand; 0 is none
   */
  retire(boundMs: Milliseconds = 0): void {
    if (boundMs > 0) setTimeout(() => this.killWorkers(), boundMs).unref();
    for (const { fd } of this.#spare.splice(0)) closeSync(fd);
    this.drain();
  }

  /** Workers finish what they have in hand, and end. */
  drain(): void {
    for (const zygote of this.#zygotes) zygote.drain();
  }

  /** Requests in hand are cut off. */
  killWorkers(): void {
    for (const zygote of this.#zygotes) zygote.killWorkers();
  }

  /** Kills the zygotes: where workers have been killed and do not end. */
  killZygotes(): void {
    for (const zygote of this.#zygotes) zygote.kill();
  }

  /** Runs the installed program in this process, which takes over once more. @returns only if that fails, why */
  startAgain(): SystemError {
    const { takeover, environment, notify } = this.#options;
    return INSTALLED_PROGRAM.takeOver({
      ...takeover,
      sockets: this.#spare,
      environment: { ...environment, ...notify?.variables },
    });
  }

  /** Removes what the former program has left, sockets and pid file: where no other program takes over. */
  close(): void {
    const { takeover, log } = this.#options;
    new InheritedStock(this.#spare).closeRest();
    try {
      if (takeover.pidFile !== undefined) removePidFile(takeover.pidFile);
    } catch (error) {
      log.error(errorText(error));
    }
  }
}
