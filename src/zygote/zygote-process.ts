import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { duplicateDescriptor } from '../os/descriptor.js';
import { openSocketPair } from '../os/descriptor-passing.js';
import { asSystemError } from '../os/libc.js';
import type { ExitStatus } from '../os/process.js';
import type { Count, Fd, Pid } from '../units.js';
import type { Fingerprint } from './fingerprint.js';

/** What each zygote has of its pool. */
export interface PoolDescriptors {
  /** A listening socket that nobody can reach: php-cgi looks at descriptor 0 to choose FastCGI. */
  readonly standInFd: Fd;
  readonly scoreboardFd: Fd;
  readonly listenFd: Fd;
}

/** All that a zygote's process has of its own. */
export interface ProcessDescriptors extends PoolDescriptors {
  readonly stdoutFd: Fd;
  readonly stderrFd: Fd;
  readonly controlFd: Fd;
}

/** A process that has started, whether Node or the master reaps it. */
export interface StartedProcess {
  readonly pid: Pid;
  /** The files of the template that it was forked from; undefined: it has read its own. */
  readonly startedFrom?: Fingerprint | undefined;
  /** KILL; nothing happens to one that has ended. */
  kill(): void;
  /** KILL for all of the session that it leads: what it has started, workers included. */
  killGroup(): void;
}

/** What becomes of a start: one of the first two is called, now or later; after {@link onStarted} the last, once. */
export interface StartListener {
  /** Somebody has use for the process. */
  isWanted(): boolean;
  onStarted(process: StartedProcess): void;
  onFailed(reason: string): void;
  onExit(status: ExitStatus): void;
}

/** One way to start a zygote's process. The descriptors stay open until the listener hears of it. */
export type StartProcess = (descriptors: ProcessDescriptors, listener: StartListener) => void;

export interface ZygoteProcessListener {
  /** There will be no process. Nothing else is called. */
  onFailed(reason: string): void;
  onExit(status: ExitStatus): void;
  /** After {@link onExit}: all that it has printed and said was read. May not come, where others hold its sockets. */
  onClose(): void;
}

/** Its sockets: stdout, stderr, control. */
const CHANNELS: Count = 3;

/** The process of a zygote, or of a template, in the master's hands: its sockets, and its life. */
export class ZygoteProcess {
  readonly #sockets: Socket[] = [];
  readonly #listener: ZygoteProcessListener;
  #process: StartedProcess | undefined;
  #isUnwanted = false;
  #hasExited = false;
  #openChannels = CHANNELS;

  /** The pool's descriptors may be closed once this returns. No event comes before the next turn of the event loop. */
  constructor(start: StartProcess, pool: PoolDescriptors, listener: ZygoteProcessListener) {
    this.#listener = listener;
    const theirs: Fd[] = [];
    try {
      for (let i = 0; i < CHANNELS; i++) theirs.push(this.#openChannel());
      for (const fd of [pool.standInFd, pool.scoreboardFd, pool.listenFd])
        theirs.push(duplicateDescriptor(fd));
    } catch (error) {
      closeAll(theirs);
      const reason = asSystemError(error).message;
      process.nextTick(() => this.#onFailed(reason));
      return;
    }
    const [stdoutFd = -1, stderrFd = -1, controlFd = -1, standInFd = -1, scoreboardFd = -1, listenFd = -1] =
      theirs;
    start(
      { standInFd, stdoutFd, stderrFd, controlFd, scoreboardFd, listenFd },
      {
        isWanted: () => !this.#isUnwanted,
        onStarted: (started) => {
          closeAll(theirs);
          this.#onStarted(started);
        },
        onFailed: (reason) => {
          closeAll(theirs);
          process.nextTick(() => this.#onFailed(reason));
        },
        onExit: (status) => this.#onExit(status),
      },
    );
  }

  /** undefined while it is being started, and where it cannot be. */
  get pid(): Pid | undefined {
    return this.#process?.pid;
  }

  get startedFrom(): Fingerprint | undefined {
    return this.#process?.startedFrom;
  }

  /** Its control channel; undefined where descriptors are short. */
  get control(): Socket | undefined {
    return this.#sockets[CHANNELS - 1];
  }

  /** Its stdout and stderr. */
  get outputs(): readonly Socket[] {
    return this.#sockets.slice(0, CHANNELS - 1);
  }

  /** KILL, as soon as it is there; nothing happens to one that has ended. */
  kill(): void {
    this.#isUnwanted = true;
    this.#process?.kill();
  }

  /** KILL for it and all that it has started, workers included. */
  killGroup(): void {
    this.#isUnwanted = true;
    this.#process?.killGroup();
  }

  /** @returns the other end */
  #openChannel(): Fd {
    const [ours, theirs] = openSocketPair();
    const socket = new Socket({ fd: ours });
    // Nothing is read from it before its pid is known, by which the master knows it.
    socket.pause();
    socket.on('close', () => {
      this.#openChannels--;
      this.#tellClose();
    });
    this.#sockets.push(socket);
    return theirs;
  }

  #onStarted(started: StartedProcess): void {
    this.#process = started;
    if (this.#isUnwanted) started.killGroup();
    for (const socket of this.#sockets) socket.resume();
  }

  #onFailed(reason: string): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.onFailed(reason);
  }

  #onExit(status: ExitStatus): void {
    this.#hasExited = true;
    this.#listener.onExit(status);
    this.#tellClose();
  }

  #tellClose(): void {
    if (this.#hasExited && this.#openChannels === 0) this.#listener.onClose();
  }
}

function closeAll(fds: Fd[]): void {
  for (const fd of fds.splice(0)) closeSync(fd);
}
