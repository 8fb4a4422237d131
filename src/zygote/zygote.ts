import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { ProtocolError } from '../errors.js';
import { isWaitedFor, killGroup, startChild } from '../os/child.js';
import { asSystemError } from '../os/libc.js';
import { nativeInt32 } from '../os/native-integers.js';
import { descriptorOf } from '../os/peer-credentials.js';
import type { ExitStatus } from '../os/process.js';
import type { Count, Fd, Milliseconds, Pid } from '../units.js';
import {
  encodeFrame,
  encodeSettings,
  type Setting,
  type ZygoteMessage,
  ZygoteMessageDecoder,
} from './control-frames.js';
import { OutputLines } from './output-lines.js';
import { Turns } from './turns.js';

/** What a zygote is started with. */
export interface ZygoteOptions {
  readonly binary: string;
  readonly arguments: readonly string[];
  readonly environment: Record<string, string>;
  /** A listening socket that nobody can reach: php-cgi looks at descriptor 0 to choose FastCGI. */
  readonly standInFd: Fd;
  readonly scoreboardFd: Fd;
  readonly listenFd: Fd;
  readonly libraryFd: Fd;
}

/** How a zygote that ended did so. */
export type ZygoteEnd =
  | { readonly kind: 'not started'; readonly reason: string }
  | { readonly kind: 'broken protocol'; readonly reason: string }
  | ExitStatus;

export interface ZygoteListener {
  onMessage(message: ZygoteMessage): void;
  /** Around calls of {@link onMessage} and {@link onLine} that come one after the other. */
  together(calls: () => void): void;
  /** A line that PHP printed in the zygote itself: start-up warnings, or why it ends. */
  onLine(line: string): void;
  /** Called once; nothing is called after it. */
  onEnd(end: ZygoteEnd): void;
}

/** How long a zygote that has ended is given for its last words to arrive: they are in the pipes already. */
const LAST_WORDS_MS = 1000;

/** What a line that PHP prints in the zygote counts for at least: a few thousand of them a second. */
const LINE_MS: Milliseconds = 0.05;
/** Where work counts for the time that it takes. */
const AS_IT_IS: Milliseconds = 0;

/** The master's end of one zygote: its process and its control channel. */
export class Zygote {
  readonly pid: Pid | undefined;
  readonly #child: ChildProcess | undefined;
  readonly #control: Socket | undefined;
  readonly #listener: ZygoteListener;
  /** Dealing with what it has said and nobody has dealt with. */
  readonly #lastWords: (() => void)[] = [];
  #end: ZygoteEnd | undefined;
  #isReady = false;
  #isTold = false;

  constructor(options: ZygoteOptions, listener: ZygoteListener) {
    this.#listener = listener;
    this.#child = this.#start(options);
    this.pid = this.#child?.pid;
    // Where descriptors are short, Node makes none of the pipes.
    this.#control = (this.#child?.stdio?.[3] as Socket | null | undefined) ?? undefined;
    this.#watchProcess();
    this.#watchOutput();
    this.#watchControl();
  }

  /** @returns undefined where it could not be, which is told once this object is complete */
  #start(options: ZygoteOptions): ChildProcess | undefined {
    try {
      return startChild(options.binary, options.arguments, {
        env: options.environment,
        // In the order of DESCRIPTORS in control-frames.ts.
        stdio: [
          options.standInFd,
          'pipe',
          'pipe',
          'pipe',
          options.scoreboardFd,
          options.listenFd,
          options.libraryFd,
        ],
        // A session of its own: Ctrl-C in the master's terminal is for the master alone.
        detached: true,
      });
    } catch (error) {
      this.#end = { kind: 'not started', reason: asSystemError(error).message };
      process.nextTick(() => this.#tellEnd());
      return undefined;
    }
  }

  configure(settings: readonly Setting[]): void {
    this.#send(encodeFrame('CONFIGURE', {}, encodeSettings(settings)));
  }

  fork(slot: number): void {
    this.#send(encodeFrame('FORK', { slot }));
  }

  /** A worker for the master alone, which comes by the stand-in socket. */
  forkProbe(slot: number): void {
    this.#send(encodeFrame('FORK_PROBE', { slot }));
  }

  /** Asks for an `echoed`. */
  echo(): void {
    this.#send(encodeFrame('ECHO'));
  }

  /** Descriptor of the control channel, for a master that comes after this one in the same process. */
  get controlFd(): Fd | undefined {
    return this.#control && descriptorOf(this.#control);
  }

  /** Every worker finishes what it has in hand and ends, then the zygote ends. */
  drain(): void {
    this.#send(encodeFrame('DRAIN'));
  }

  /** That worker ends once it is idle. */
  retire(slot: number, pid: Pid): void {
    this.#send(encodeFrame('RETIRE', { slot, pid }));
  }

  /** Asks to be told, once, when fewer workers are idle; 0: not any more. */
  arm(idleWanted: Count): void {
    this.#send(encodeFrame('ARM', {}, nativeInt32(idleWanted)));
  }

  /** Asks for a `logged` when the next request ends. */
  logsRead(): void {
    this.#send(encodeFrame('LOGS_READ'));
  }

  answer(slot: number, pid: Pid, questionId: number, answer: Buffer): void {
    this.#send(encodeFrame('ANSWER', { slot, pid }, Buffer.concat([nativeInt32(questionId | 0), answer])));
  }

  /**
   * For a zygote that does not answer. Its workers get TERM from the kernel; before it is ready there are none, but
   * where php_cgi is a wrapper script there may be programs that it started.
   */
  kill(): void {
    if (this.#isReady) this.#child?.kill('SIGKILL');
    else this.#killGroup();
  }

  /** With all that it has started, workers included. The group is its own: it was spawned as the leader of a session. */
  #killGroup(): void {
    // Once its status is taken the number may be another's.
    if (this.pid !== undefined && isWaitedFor(this.pid)) killGroup(this.pid);
  }

  #send(frame: Buffer): void {
    if (this.#control?.writable) this.#control.write(frame);
  }

  #watchProcess(): void {
    this.#child?.once('error', (error: NodeJS.ErrnoException) => {
      if (this.pid !== undefined) return; // a signal that could not be sent: it has just ended
      this.#end = { kind: 'not started', reason: error.message };
      this.#tellEnd();
    });
    this.#child?.once('exit', (code, signal) => {
      this.#end ??=
        signal === null
          ? { kind: 'exited', code: code ?? 0 }
          : { kind: 'signaled', signal: constants.signals[signal], isCoreDumped: false };
      setTimeout(() => this.#tellEnd(), LAST_WORDS_MS).unref();
    });
    this.#child?.once('close', () => this.#tellEnd());
  }

  #watchOutput(): void {
    for (const stream of [this.#child?.stdout, this.#child?.stderr]) {
      const turns = new Turns<string>({
        work: (line) => this.#listener.onLine(line),
        charge: () => LINE_MS,
        around: (turn) => this.#listener.together(turn),
        pause: () => stream?.pause(),
        resume: () => stream?.resume(),
      });
      const found: string[] = [];
      const lines = new OutputLines((line) => found.push(line.toString('utf8')));
      this.#lastWords.push(() => turns.finish());
      stream?.on('data', (chunk: Buffer) => {
        lines.push(chunk);
        turns.push(found.splice(0));
      });
      stream?.on('end', () => {
        lines.end();
        turns.push(found.splice(0));
      });
      stream?.on('error', () => {}); // the end of the process tells
    }
  }

  #watchControl(): void {
    const decoder = new ZygoteMessageDecoder();
    const control = this.#control;
    const turns = new Turns<ZygoteMessage>({
      work: (message) => {
        if (this.#hasBrokenProtocol) return;
        this.#isReady = true; // READY is the first
        this.#listener.onMessage(message);
      },
      charge: ({ type }) => (type === 'output' || type === 'asked' ? AS_IT_IS : undefined),
      around: (turn) => this.#obeyProtocol(() => this.#listener.together(turn)),
      pause: () => control?.pause(),
      resume: () => control?.resume(),
    });
    this.#lastWords.push(() => turns.finish());
    control?.on('error', () => {}); // EPIPE or ECONNRESET: the end of the process tells
    control?.on('data', (chunk: Buffer) => {
      if (this.#isTold || this.#hasBrokenProtocol) return;
      this.#obeyProtocol(() => turns.push(decoder.push(chunk)));
    });
  }

  get #hasBrokenProtocol(): boolean {
    return this.#end?.kind === 'broken protocol';
  }

  /** For anything that a zygote never says it is killed, and all that is of it: nobody knows who has spoken. */
  #obeyProtocol(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end = { kind: 'broken protocol', reason: error.message };
      this.#killGroup();
    }
  }

  #tellEnd(): void {
    if (this.#isTold || this.#end === undefined) return;
    for (const deal of this.#lastWords) deal();
    this.#isTold = true;
    this.#child?.stdout?.destroy();
    this.#child?.stderr?.destroy();
    this.#control?.destroy();
    this.#listener.onEnd(this.#end);
  }
}
