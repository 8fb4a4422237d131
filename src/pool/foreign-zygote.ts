import { Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { childPids } from '../os/process-life.js';
import type { Pid } from '../units.js';
import { encodeFrame, type ZygoteMessage, ZygoteMessageDecoder } from './control-frames.js';
import { ForeignRequestLog } from './foreign-request-log.js';
import { Turns } from './turns.js';
import { WorkerOutput } from './worker-output.js';
import type { ZygoteHandle } from './zygote.js';

/**
 * A zygote that the master started before it replaced its own program: its workers serve until the new ones do. All that
 * is left of it here is its control channel. It may speak an older protocol: then what its workers print is lost.
 */
export class ForeignZygote {
  /** When it and its workers are gone. */
  readonly ended: Promise<void>;
  readonly #pid: Pid;
  readonly #socket: Socket;
  #hasEnded = false;

  constructor(
    { pid, controlFd, requestLog }: ZygoteHandle,
    tools: { readonly log: MasterLog; readonly accessLogs: AccessLogs },
  ) {
    const { log } = tools;
    this.#pid = pid;
    const requests = requestLog && new ForeignRequestLog(requestLog, pid, tools);
    this.#socket = new Socket({ fd: controlFd, readable: true, writable: true });
    const decoder = new ZygoteMessageDecoder();
    const outputByPid = new Map<number, WorkerOutput>();
    const outputOf = (pid: number): WorkerOutput => {
      const there = outputByPid.get(pid);
      if (there !== undefined) return there;
      const output = new WorkerOutput(log, { pool: 'previous', pid, isDecorated: true });
      outputByPid.set(pid, output);
      return output;
    };
    this.#socket.on('error', () => {}); // it has ended
    this.ended = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#hasEnded = true;
        turns.finish();
        requests?.end();
        resolve();
      });
    });
    const turns = new Turns<ZygoteMessage>({
      work: (message) => {
        if (message.type === 'output') outputOf(message.pid).push(message.stream, message.bytes);
        // One that was being forked when the program was replaced.
        if (message.type === 'forked') requests?.workerStarted(message.slot, message.pid);
        if (message.type !== 'exited') return;
        outputByPid.get(message.pid)?.close();
        requests?.workerEnded(message.slot);
      },
      charge: ({ type }) => (type === 'output' ? 0 : undefined),
      around: (turn) => log.together(turn),
      pause: () => this.#socket.pause(),
      resume: () => this.#socket.resume(),
    });
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        turns.push(decoder.push(chunk));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.#socket.destroy();
      }
    });
  }

  /** Its workers finish what they have in hand; the frame is the same in every version of the protocol. */
  drain(): void {
    this.#socket.write(encodeFrame('DRAIN'));
  }

  /** The same, but nothing is waited for. */
  killWorkers(): void {
    if (this.#hasEnded) return;
    this.drain();
    for (const pid of childPids(this.#pid)) killIfThere(pid);
  }

  /** As a last resort. */
  kill(): void {
    if (!this.#hasEnded) killIfThere(this.#pid);
  }
}

function killIfThere(pid: Pid): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it has ended meanwhile
  }
}
