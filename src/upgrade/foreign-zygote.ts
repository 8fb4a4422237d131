import { Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { childPids } from '../os/process-life.js';
import type { ZygoteHandle } from '../pool/hand-over.js';
import type { Milliseconds, Pid } from '../units.js';
import { encodeFrame, type ZygoteMessage, ZygoteMessageDecoder } from '../zygote/control-frames.js';
import { openChild, openWorker } from '../zygote/parentage.js';
import { Turns } from '../zygote/turns.js';
import { WorkerOutput } from '../zygote/worker-output.js';
import { ForeignRequestLog } from './foreign-request-log.js';

/** How often to check whether workers that have outlived their zygote have ended. */
const CHECK_EVERY_MS: Milliseconds = 200;

/**
 * A zygote that the master started before it replaced its own program: its workers serve until the new ones do. All
 * that is left of it here is its control channel. It may speak an older protocol: then what its workers print is lost.
 */
export class ForeignZygote {
  /** When it and its workers are gone. */
  readonly ended: Promise<void>;
  readonly #log: MasterLog;
  readonly #pid: Pid;
  readonly #socket: Socket;
  /** undefined where that pid is no child of this process. */
  readonly #process: ProcessHandle | undefined;
  readonly #requestLog: ForeignRequestLog | undefined;
  readonly #workersByPid = new Map<Pid, ProcessHandle>();
  readonly #outputByPid = new Map<Pid, WorkerOutput>();
  #isKilled = false;

  constructor(
    { pid, controlFd, requestLog }: ZygoteHandle,
    tools: { readonly log: MasterLog; readonly accessLogs: AccessLogs },
  ) {
    this.#log = tools.log;
    this.#pid = pid;
    this.#process = openChild(pid);
    if (this.#process !== undefined) for (const worker of childPids(pid)) this.#hold(worker);
    this.#requestLog = requestLog && new ForeignRequestLog(requestLog, pid, tools);
    this.#socket = new Socket({ fd: controlFd, readable: true, writable: true });
    this.ended = this.#readMessages();
  }

  /** @returns when the channel has ended, and after it the last worker */
  #readMessages(): Promise<void> {
    const socket = this.#socket;
    const decoder = new ZygoteMessageDecoder();
    const turns = new Turns<ZygoteMessage>({
      work: (message) => this.#onMessage(message),
      charge: ({ type }) => (type === 'output' ? 0 : undefined),
      around: (turn) => this.#log.together(turn),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    });
    socket.on('error', () => {}); // it has ended
    socket.on('data', (chunk: Buffer) => {
      try {
        turns.push(decoder.push(chunk));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        socket.destroy();
      }
    });
    return new Promise((resolve) => {
      socket.once('close', () => {
        turns.finish();
        this.#requestLog?.end();
        this.#whenWorkersEnded(resolve);
      });
    });
  }

  #onMessage(message: ZygoteMessage): void {
    switch (message.type) {
      case 'output':
        this.#outputOf(message.pid).push(message.stream, message.bytes);
        break;
      // A worker that was being forked when the program was replaced.
      case 'forked':
        this.#requestLog?.workerStarted(message.slot, message.pid);
        this.#hold(message.pid);
        break;
      case 'exited':
        this.#letGo(message.pid);
        this.#outputByPid.get(message.pid)?.close();
        this.#requestLog?.workerEnded(message.slot);
        break;
      default: // the former master would have acted on it
    }
  }

  #outputOf(pid: Pid): WorkerOutput {
    const there = this.#outputByPid.get(pid);
    if (there !== undefined) return there;
    const output = new WorkerOutput(this.#log, { pool: 'previous', pid, isDecorated: true });
    this.#outputByPid.set(pid, output);
    return output;
  }

  /** Its workers finish what they have in hand; the frame is the same in every version of the protocol. */
  drain(): void {
    if (this.#socket.writable) this.#socket.write(encodeFrame('DRAIN'));
  }

  /** Requests in hand are cut off. */
  killWorkers(): void {
    this.#isKilled = true;
    this.drain();
    for (const worker of this.#workersByPid.values()) worker.send('SIGKILL');
  }

  /** Kills the zygote: where its workers have been killed and it does not end. */
  kill(): void {
    this.#process?.send('SIGKILL');
    if (this.#process === undefined) this.#socket.destroy(); // nothing tells its end
  }

  #hold(pid: Pid): void {
    if (this.#workersByPid.has(pid)) return;
    const worker = openWorker(pid, this.#pid);
    if (worker === undefined) return; // it has ended
    this.#workersByPid.set(pid, worker);
    if (this.#isKilled) worker.send('SIGKILL');
  }

  #letGo(pid: Pid): void {
    this.#workersByPid.get(pid)?.close();
    this.#workersByPid.delete(pid);
  }

  /** The zygote may have died before them: they finish what they have in hand. */
  #whenWorkersEnded(tell: () => void): void {
    for (const [pid, worker] of this.#workersByPid) if (worker.hasEnded) this.#letGo(pid);
    if (this.#workersByPid.size > 0) {
      setTimeout(() => this.#whenWorkersEnded(tell), CHECK_EVERY_MS);
      return;
    }
    this.#process?.close();
    tell();
  }
}
