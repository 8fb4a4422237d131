import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import { duplicateDescriptor } from '../os/descriptor.js';
import { openSocketPair, sendDescriptors } from '../os/descriptor-passing.js';
import { hasCode, systemFailure } from '../os/libc.js';
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
/** When to try again to send what must wait until the zygote has read something. */
const SEND_AGAIN_MS: Milliseconds = 2;
/** For work that is charged with the time that it takes, and no more. */
const TIME_TAKEN: Milliseconds = 0;

/** The master's end of one zygote: its process and its control channel. */
export class Zygote {
  readonly #process: ZygoteProcess;
  readonly #control: Socket | undefined;
  readonly #listener: ZygoteListener;
  readonly #unsent: { readonly frame: Buffer; readonly descriptor: Fd | undefined }[] = [];
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

  /** The workers' end of the pair to the pool's keeper: for workers that are there, and those that are forked later. */
  useKeeper(workersFd: Fd): void {
    this.#send(encodeFrame('KEEPER'), duplicateDescriptor(workersFd));
  }

  /**
   * Has an errand forked. Where there will be none the connection is closed.
   *
   * @returns the master's end of its connection, which the caller closes; undefined where there is no descriptor for it
   */
  forkErrand(): Fd | undefined {
    try {
      const [ours, theirs] = openSocketPair();
      this.#send(encodeFrame('ERRAND'), theirs);
      return ours;
    } catch (error) {
      if (systemFailure(error) === undefined) throw error;
      return undefined;
    }
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

  /** @param descriptor comes along, and is closed here then */
  #send(frame: Buffer, descriptor?: Fd): void {
    this.#unsent.push({ frame, descriptor });
    this.#sendUnsent();
  }

  /** In order. A descriptor goes past Node's stream, so only once Node has nothing left to write. */
  #sendUnsent(): void {
    const control = this.#control;
    if (control === undefined || !control.writable) {
      this.#dropUnsent();
      return;
    }
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      if (next.descriptor === undefined) control.write(next.frame);
      else if (control.writableLength > 0 || !this.#sendWithDescriptor(next.frame, next.descriptor)) {
        setTimeout(() => this.#sendUnsent(), SEND_AGAIN_MS).unref();
        return;
      }
      closeIfThere(this.#unsent.shift()?.descriptor);
    }
  }

  #dropUnsent(): void {
    for (const { descriptor } of this.#unsent.splice(0)) closeIfThere(descriptor);
  }

  /** @returns false where the zygote has to read what was sent before */
  #sendWithDescriptor(frame: Buffer, descriptor: Fd): boolean {
    try {
      if (this.controlFd !== undefined) sendDescriptors(this.controlFd, frame, [descriptor]);
      return true;
    } catch (error) {
      if (hasCode(error, 'EAGAIN')) return false;
      if (hasCode(error, 'EPIPE', 'ECONNRESET')) return true; // its end is reported anyway
      throw error;
    }
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
    this.#dropUnsent();
    for (const stream of this.#process.outputs) stream.destroy();
    this.#control?.destroy();
    this.#listener.onEnd(this.#end);
  }
}

function closeIfThere(fd: Fd | undefined): void {
  if (fd !== undefined) closeSync(fd);
}
