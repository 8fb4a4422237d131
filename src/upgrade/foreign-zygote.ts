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

/** How often workers are looked at that have outlived it. */
const LOOK_AGAIN_MS: Milliseconds = 200;

/**
 * A zygote that the master started before it replaced its own program: its workers serve until the new ones do. All that
 * is left of it here is its control channel. It may speak an older protocol: then what its workers print is lost.
 */
export class ForeignZygote {
  /** When it and its workers are gone. */
  readonly ended: Promise<void>;
  readonly #pid: Pid;
  readonly #socket: Socket;
  /** undefined where the process of that number is none of ours. */
  readonly #process: ProcessHandle | undefined;
  readonly #workersByPid = new Map<Pid, ProcessHandle>();
  #isKilled = false;

  constructor(
    { pid, controlFd, requestLog }: ZygoteHandle,
    tools: { readonly log: MasterLog; readonly accessLogs: AccessLogs },
  ) {
    const { log } = tools;
    this.#pid = pid;
    this.#process = openChild(pid);
    if (this.#process !== undefined) for (const worker of childPids(pid)) this.#hold(worker);
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
        turns.finish();
        requests?.end();
        this.#whenWorkersEnded(resolve);
      });
    });
    const turns = new Turns<ZygoteMessage>({
      work: (message) => {
        if (message.type === 'output') outputOf(message.pid).push(message.stream, message.bytes);
        // One that was being forked when the program was replaced.
        if (message.type === 'forked') {
          requests?.workerStarted(message.slot, message.pid);
          this.#hold(message.pid);
        }
        if (message.type !== 'exited') return;
        this.#letGo(message.pid);
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
    if (this.#socket.writable) this.#socket.write(encodeFrame('DRAIN'));
  }

  /** The same, but nothing is waited for. */
  killWorkers(): void {
    this.#isKilled = true;
    this.drain();
    for (const worker of this.#workersByPid.values()) worker.send('SIGKILL');
  }

  /** As a last resort. */
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
      setTimeout(() => this.#whenWorkersEnded(tell), LOOK_AGAIN_MS);
      return;
    }
    this.#process?.close();
    tell();
  }
}
