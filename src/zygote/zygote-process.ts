import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { isWaitedFor, killGroup, startChild } from '../os/child.js';
import { asSystemError } from '../os/libc.js';
import type { ExitStatus } from '../os/process.js';
import type { Fd, Pid } from '../units.js';

/** What each zygote has of its own. */
export interface ZygoteDescriptors {
  /** A listening socket that nobody can reach: php-cgi looks at descriptor 0 to choose FastCGI. */
  readonly standInFd: Fd;
  readonly scoreboardFd: Fd;
  readonly listenFd: Fd;
}

export interface ZygoteProcessListener {
  /** There will be no process. Nothing else is called. */
  onFailure(reason: string): void;
  onExit(status: ExitStatus): void;
  /** After {@link onExit}: all that it has printed and said was read. May not come, where others hold its pipes. */
  onClose(): void;
}

/** The process of a zygote, or of a template, in the master's hands: however it was started. */
export interface ZygoteProcess {
  /** undefined while it is being started, and where it cannot be. */
  readonly pid: Pid | undefined;
  /** Its control channel; undefined where descriptors are short. */
  readonly control: Socket | undefined;
  /** Its stdout and stderr. */
  readonly outputs: readonly Readable[];
  /** To be called once, at once: no event comes before the next turn of the event loop. */
  watch(listener: ZygoteProcessListener): void;
  /** KILL; nothing happens to one that has ended. */
  kill(): void;
  /** KILL for all of its session's first group: what it has started, workers included. */
  killGroup(): void;
}

/** How php-cgi is executed. */
export interface Execution {
  readonly binary: string;
  readonly arguments: readonly string[];
  readonly environment: Record<string, string>;
  readonly libraryFd: Fd;
}

/** A php-cgi that was executed for this zygote, or template, alone. */
export class ExecutedProcess implements ZygoteProcess {
  readonly #child: ChildProcess | undefined;
  readonly #failure: string | undefined;

  constructor(execution: Execution, { standInFd, scoreboardFd, listenFd }: ZygoteDescriptors) {
    try {
      this.#child = startChild(execution.binary, execution.arguments, {
        env: execution.environment,
        // In the order of DESCRIPTORS in control-frames.ts.
        stdio: [standInFd, 'pipe', 'pipe', 'pipe', scoreboardFd, listenFd, execution.libraryFd],
        // A session of its own: Ctrl-C in the master's terminal is for the master alone.
        detached: true,
      });
    } catch (error) {
      this.#failure = asSystemError(error).message;
    }
  }

  get pid(): Pid | undefined {
    return this.#child?.pid;
  }

  get control(): Socket | undefined {
    // Where descriptors are short, Node makes none of the pipes.
    return (this.#child?.stdio?.[3] as Socket | null | undefined) ?? undefined;
  }

  get outputs(): Readable[] {
    return [this.#child?.stdout, this.#child?.stderr].filter((stream) => stream != null);
  }

  watch(listener: ZygoteProcessListener): void {
    const failure = this.#failure;
    if (failure !== undefined) process.nextTick(() => listener.onFailure(failure));
    this.#child?.once('error', (error: NodeJS.ErrnoException) => {
      // With a pid it is about a signal that could not be sent: it has just ended.
      if (this.pid === undefined) listener.onFailure(error.message);
    });
    this.#child?.once('exit', (code, signal) =>
      listener.onExit(
        signal === null
          ? { kind: 'exited', code: code ?? 0 }
          : { kind: 'signaled', signal: constants.signals[signal], isCoreDumped: false },
      ),
    );
    this.#child?.once('close', () => listener.onClose());
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  killGroup(): void {
    // Once its status is taken the number may be another's.
    if (this.pid !== undefined && isWaitedFor(this.pid)) killGroup(this.pid);
  }
}
