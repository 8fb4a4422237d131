import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import { errorReason } from '../os/libc.js';
import { decodeWaitStatus, type ExitStatus } from '../os/process.js';
import type { Trace } from '../slowlog/tracer.js';
import type { Count, Fd, Milliseconds, Nanoseconds, Pid } from '../units.js';
import { OpenLines } from '../watch/open-lines.js';
import type { ZygoteMessage } from '../zygote/control-frames.js';
import { exitText } from '../zygote/exit-text.js';
import type { Orphans } from '../zygote/orphans.js';
import { openWorker } from '../zygote/parentage.js';
import type { StandInSocket } from '../zygote/stand-in.js';
import { WorkerOutput } from '../zygote/worker-output.js';
import { Probe } from './probe.js';
import type { SharedMemory } from './shared-memory.js';
import { Tracing } from './tracing.js';
import { WorkerSignals } from './worker-signals.js';
import {
  type EndedWorker,
  endedWorker,
  type KnownWorker,
  newWorker,
  type RunningWorker,
  WorkerTable,
} from './worker-table.js';
import { WorkerWatches } from './worker-watches.js';

export interface WorkersListener {
  onWorkerStarted(pid: Pid): void;
  /** It waits for its first client. */
  onWorkerReady(pid: Pid): void;
  onWorkerEnded(worker: EndedWorker): void;
  onForkFailed(reason: string): void;
  /** A request takes longer than `request_slowlog_timeout`. */
  onSlowRequest(): void;
  /** Something that the master cannot see of its workers; each is reported once, with the first of them. */
  onBlind(line: string): void;
}

export interface WorkersParts {
  readonly pool: PoolConfig;
  readonly listenFd: Fd;
  readonly memory: SharedMemory;
  readonly log: MasterLog;
  readonly orphans: Orphans;
  /** Monotonic. */
  readonly nowMs: () => Milliseconds;
  readonly zygote: {
    /** undefined until it was started; its number stays known after its end. */
    readonly pid: () => Pid | undefined;
    readonly hasEnded: () => boolean;
    /** undefined until it is ready. */
    readonly phpVersion: () => string | undefined;
    /** Asks it for an echo; returns the echo's number. */
    readonly askEcho: () => Count;
    readonly forkProbe: (slot: number) => void;
    readonly retire: (slot: number, pid: Pid) => void;
  };
}

/** What a zygote reports of its workers. */
export type WorkerMessage = Extract<
  ZygoteMessage,
  { type: 'forked' | 'fork failed' | 'started' | 'output' | 'exited' }
>;

/** The workers of one generation, each from its fork until its end is known. */
export class Workers {
  readonly #parts: WorkersParts;
  readonly #listener: WorkersListener;
  readonly #table: WorkerTable;
  readonly #signals: WorkerSignals;
  readonly #watches: WorkerWatches;
  readonly #tracing: Tracing;
  readonly #openLines: OpenLines;
  readonly #probe: Probe;
  /** All were to die at once, and so are those that are reported later or left behind by the zygote. */
  #areKilled = false;

  constructor(parts: WorkersParts, listener: WorkersListener) {
    this.#parts = parts;
    this.#listener = listener;
    const { pool, log, listenFd, zygote } = parts;
    const { scoreboard } = parts.memory;
    const workers = new WorkerTable(scoreboard.slotCount);
    const glance = (slot: number) => scoreboard.glance(slot);
    const signals = new WorkerSignals({ pool: pool.name, log, workers, glance });
    const onBlind = (line: string) => listener.onBlind(line);
    this.#table = workers;
    this.#signals = signals;
    this.#watches = new WorkerWatches({
      ...{ pool, log, listenFd, workers, scoreboard, signals, onBlind },
      trace: (pid, depth) => this.trace(pid, depth),
      onSlow: () => listener.onSlowRequest(),
    });
    this.#tracing = new Tracing({
      phpVersion: zygote.phpVersion,
      zygotePid: () => (zygote.hasEnded() ? undefined : zygote.pid()),
      isWanted: pool.requestSlowlogTimeout > 0,
      onBlind,
    });
    this.#openLines = new OpenLines({ workers: () => workers.running(), glance });
    const kill = (worker: RunningWorker) => signals.send(worker, 'SIGKILL');
    this.#probe = new Probe({ workers, fork: zygote.forkProbe, kill });
  }

  /** Workers alive, and forks on their way; the probe is none. */
  get count(): Count {
    return this.#table.workerCount;
  }

  /** No worker, probe or fork on its way is left. */
  get isEmpty(): boolean {
    return this.#table.isEmpty;
  }

  get areKilled(): boolean {
    return this.#areKilled;
  }

  /** In slot order; neither forks on their way nor the probe are among them. */
  known(): KnownWorker[] {
    return this.#table.known();
  }

  /**
   * Checks that there is such a worker.
   *
   * @throws ProtocolError where there is none
   */
  expect(slot: number, pid: Pid): void {
    this.#table.expect(slot, pid);
  }

  /** @returns the slot that a worker is to be forked into; undefined where none is free */
  beginFork(): number | undefined {
    const slot = this.#table.freeSlot();
    if (slot !== undefined) this.#table.beginFork(slot, { isProbe: false });
    return slot;
  }

  /** See {@link Probe.run}; undefined where no slot is free. */
  prove(standIn: StandInSocket): Promise<string | undefined> | undefined {
    const slot = this.#table.freeSlot();
    return slot === undefined ? undefined : this.#probe.run(slot, standIn);
  }

  /** @throws ProtocolError for what contradicts what the zygote has reported before */
  onMessage(message: WorkerMessage): void {
    const { slot } = message;
    if (message.type === 'forked') this.#onForked(slot, message.pid);
    else if (message.type === 'fork failed') this.#onForkFailed(slot, message.errno);
    else {
      const worker = this.#table.expect(slot, message.pid);
      if (message.type === 'started') this.#onReady(worker);
      else if (message.type === 'exited')
        this.#onEnd(worker, decodeWaitStatus(message.waitStatus), message.accepted);
      else {
        worker.output.push(message.stream, message.bytes);
        this.#openLines.onOutput(worker.output);
      }
    }
  }

  /**
   * The zygote has answered that many echoes.
   *
   * @throws ProtocolError where it should have reported the end of a worker before
   */
  onEchoed(echoesHeard: Count): void {
    this.#table.checkEcho(echoesHeard);
  }

  /** See {@link Generation.retire}. */
  retire(pid: Pid, reason: string | undefined): void {
    const worker = this.#table.withPid(pid);
    if (worker === undefined || worker.leavesSinceNs !== undefined) return;
    worker.leavesSinceNs = process.hrtime.bigint();
    worker.endReason = reason;
    this.#parts.memory.scoreboard.leave(worker.slot);
    this.#parts.zygote.retire(worker.slot, pid);
    this.#watches.onLeaving();
  }

  /** See {@link Generation.killRequest}. */
  killRequest(pid: Pid, requestStartNs: Nanoseconds, reason: string): void {
    const worker = this.#table.withPid(pid);
    if (worker === undefined) return;
    worker.endReason = reason;
    this.#signals.killRequest(worker.slot, pid, requestStartNs);
  }

  /** Every worker ends once it is idle, those on their way included. */
  letAllLeave(): void {
    this.#table.letAllLeave(process.hrtime.bigint());
    this.#parts.memory.scoreboard.drain();
    this.#watches.onLeaving();
  }

  /** Every worker dies now, and those on their way as soon as they are reported. */
  kill(): void {
    this.#areKilled = true;
    for (const worker of this.#table.running()) this.#signals.send(worker, 'SIGKILL');
  }

  /** @throws CannotTrace */
  trace(pid: Pid, depth: Count): Promise<Trace> {
    return this.#tracing.trace(this.#table.withPid(pid)?.process, depth);
  }

  /** The zygote has ended: forks on their way come no more, and the probe will not answer. */
  dropForks(reason: string): void {
    this.#table.dropForks();
    this.#probe.fail(reason);
  }

  /**
   * The zygote has ended: the master waits for those that are left, and they leave.
   *
   * @param onEmpty called when the last of them has ended, if it had not before this call returned
   */
  adopt(onEmpty: () => void): void {
    this.letAllLeave();
    this.#parts.memory.requestLog?.onOrphaned();
    for (const worker of [...this.#table.running()]) {
      if (worker.process === undefined) {
        this.#onEnd(worker, undefined, 0); // as far as anybody knows
        continue;
      }
      this.#parts.orphans.adopt(worker.process, (status) => {
        this.#onEnd(worker, status, 0);
        if (this.isEmpty) onEmpty();
      });
      if (this.#areKilled && !worker.isKilled) this.#signals.send(worker, 'SIGKILL');
    }
  }

  /** After the last worker. */
  end(): void {
    this.#watches.stop();
    this.#openLines.stop();
  }

  #onForked(slot: number, pid: Pid): void {
    const { isProbe } = this.#table.checkFork(slot, pid, process.pid);
    const { pool, log, memory, nowMs, zygote } = this.#parts;
    const zygotePid = zygote.pid() ?? 0;
    const held = openWorker(pid, zygotePid);
    const worker = newWorker({
      slot,
      pid,
      process: held,
      // It may have ended already, and its pid may be another process's now: then its end is reported before the echo.
      endsBeforeEcho: held === undefined ? zygote.askEcho() : undefined,
      startedAtMs: nowMs(),
      output: new WorkerOutput(log, { pool: pool.name, pid, isDecorated: pool.decorateWorkersOutput }),
      isProbe,
    });
    this.#table.add(worker);
    if (this.#areKilled) this.#signals.send(worker, 'SIGKILL');
    if (this.#table.areAllLeaving) this.#watches.onLeaving(); // its fork was on its way
    if (isProbe) {
      this.#probe.onForked();
      return;
    }
    this.#watches.onWorker();
    memory.requestLog?.open(slot, { pid, zygotePid });
    this.#listener.onWorkerStarted(pid);
  }

  #onForkFailed(slot: number, errno: number): void {
    const reason = `${errorReason(errno)} (${errno})`;
    if (this.#table.failFork(slot).isProbe) this.#probe.fail(`fork: ${reason}`);
    else this.#listener.onForkFailed(reason);
  }

  #onReady(worker: RunningWorker): void {
    worker.isReady = true;
    if (worker.isProbe) return;
    if (worker.process !== undefined) this.#tracing.checkOnce(worker.pid);
    this.#listener.onWorkerReady(worker.pid);
  }

  /** @param status undefined where nobody knows it */
  #onEnd(worker: RunningWorker, status: ExitStatus | undefined, accepted: Count): void {
    worker.output.close();
    worker.process?.close();
    this.#parts.memory.requestLog?.close(worker.slot);
    this.#table.remove(worker);
    if (worker.isProbe) {
      this.#probe.fail(`it exited ${exitText(status)}`);
      return;
    }
    const nowMs = this.#parts.nowMs();
    const hasTimedOut = this.#watches.hasTimedOut(worker.slot, worker.pid);
    this.#listener.onWorkerEnded(endedWorker(worker, { status, accepted, nowMs, hasTimedOut }));
  }
}
