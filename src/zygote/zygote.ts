import type { Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
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
import type { Fingerprint } from './fingerprint.js';
import { OutputLines } from './output-lines.js';
import { Turns } from './turns.js';
import { type PoolDescriptors, type StartProcess, ZygoteProcess } from './zygote-process.js';

/** A php-cgi that is not ready by then, for commands or as a template, never will be. */
export const READY_TIMEOUT_MS: Milliseconds = 10_000;

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

/** After the end of a zygote, how long the master reads what it has sent: all of it is in the pipes already. */
const READ_AFTER_END_MS: Milliseconds = 1000;

/**
 * The least time that {@link Turns} charges for a line that PHP prints in the zygote: at most some thousands a second.
 */
const LINE_MS: Milliseconds = 0.05;
/** For work that is charged with the time that it takes, and no more. */
const TIME_TAKEN: Milliseconds = 0;

/** The master's end of one zygote: its process and its control channel. */
export class Zygote {
  readonly #process: ZygoteProcess;
  readonly #control: Socket | undefined;
  readonly #listener: ZygoteListener;
  /** Each passes on all that one of its streams has sent and the listener has not got yet. */
  readonly #finishers: (() => void)[] = [];
  #end: ZygoteEnd | undefined;
  #isReady = false;
  #isEndReported = false;

  /** The pool's descriptors may be closed as soon as this returns. */
  constructor(start: StartProcess, pool: PoolDescriptors, listener: ZygoteListener) {
    this.#listener = listener;
    this.#process = new ZygoteProcess(start, pool, {
      onFailed: (reason) => {
        this.#end = { kind: 'not started', reason };
        this.#reportEnd();
      },
      onExit: (status) => {
        this.#end ??= status;
        setTimeout(() => this.#reportEnd(), READ_AFTER_END_MS).unref();
      },
      onClose: () => this.#reportEnd(),
    });
    this.#control = this.#process.control;
    this.#watchOutput();
    this.#watchControl();
  }

  /** undefined while it is being started, and where it could not be. */
  get pid(): Pid | undefined {
    return this.#process.pid;
  }

  /** See `StartedProcess`. */
  get startedFrom(): Fingerprint | undefined {
    return this.#process.startedFrom;
  }

  /** Closes its channel: it ends as if the master had gone. */
  hangUp(): void {
    this.#control?.end();
  }

  configure(settings: readonly Setting[]): void {
    this.#send(encodeFrame('CONFIGURE', {}, encodeSettings(settings)));
  }

  fork(slot: number): void {
    this.#send(encodeFrame('FORK', { slot }));
  }

  /** Forks a worker for the master alone, which connects to the stand-in socket. */
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

  /** Lets the worker end once it is idle. */
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
    if (this.#isReady) this.#process.kill();
    else this.#process.killGroup();
  }

  #send(frame: Buffer): void {
    if (this.#control?.writable) this.#control.write(frame);
  }

  #watchOutput(): void {
    for (const stream of this.#process.outputs) {
      const turns = new Turns<string>({
        work: (line) => this.#listener.onLine(line),
        charge: () => LINE_MS,
        around: (turn) => this.#listener.together(turn),
        pause: () => stream.pause(),
        resume: () => stream.resume(),
      });
      const found: string[] = [];
      const lines = new OutputLines((line) => found.push(line.toString('utf8')));
      this.#finishers.push(() => turns.finish());
      stream.on('data', (chunk: Buffer) => {
        lines.push(chunk);
        turns.push(found.splice(0));
      });
      stream.on('end', () => {
        lines.end();
        turns.push(found.splice(0));
      });
      stream.on('error', () => {}); // the end of the process is reported anyway
    }
  }

  #watchControl(): void {
    const decoder = new ZygoteMessageDecoder();
    const control = this.#control;
    const turns = new Turns<ZygoteMessage>({
      work: (message) => {
        if (this.#hasBrokenProtocol) return;
        this.#isReady = true; // the first message is READY
        this.#listener.onMessage(message);
      },
      charge: ({ type }) => (type === 'output' || type === 'asked' ? TIME_TAKEN : undefined),
      around: (turn) => this.#obeyProtocol(() => this.#listener.together(turn)),
      pause: () => control?.pause(),
      resume: () => control?.resume(),
    });
    this.#finishers.push(() => turns.finish());
    control?.on('error', () => {}); // EPIPE or ECONNRESET: the end of the process is reported anyway
    control?.on('data', (chunk: Buffer) => {
      if (this.#isEndReported || this.#hasBrokenProtocol) return;
      this.#obeyProtocol(() => turns.push(decoder.push(chunk)));
    });
  }

  get #hasBrokenProtocol(): boolean {
    return this.#end?.kind === 'broken protocol';
  }

  /**
   * A zygote that sends what zygotes never send is killed, with all that it has started: anybody may have written to
   * its end of the channel.
   */
  #obeyProtocol(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end = { kind: 'broken protocol', reason: error.message };
      this.#process.killGroup();
    }
  }

  #reportEnd(): void {
    if (this.#isEndReported || this.#end === undefined) return;
    for (const finish of this.#finishers) finish();
    this.#isEndReported = true;
    for (const stream of this.#process.outputs) stream.destroy();
    this.#control?.destroy();
    this.#listener.onEnd(this.#end);
  }
}
