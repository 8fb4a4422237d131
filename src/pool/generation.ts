import { accessFormatOf } from '../accesslog/pool-format.js';
import type { PoolConfig } from '../config/config.js';
import { ProtocolError, unreachable } from '../errors.js';
import type { AccessLogFile } from '../log/access-log-file.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { asSystemError, errorReason, systemFailure } from '../os/libc.js';
import { decodeWaitStatus, type ExitStatus } from '../os/process.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { Scoreboard, type SlotGlance } from '../scoreboard/scoreboard.js';
import { CannotTrace, type Trace, Tracer } from '../slowlog/tracer.js';
import type { Count, Fd, Milliseconds, Nanoseconds, Pid } from '../units.js';
import { ClaimWatch } from '../watch/claim-watch.js';
import { type Leaver, LeaveWatch } from '../watch/leave-watch.js';
import { LOG_RING_SIZE, RequestLog } from '../watch/request-log.js';
import { RequestWatch } from '../watch/request-watch.js';
import {
  type PhpFacts,
  type Question,
  type Setting,
  TIME_OUT_SIGNAL,
  type ZygoteMessage,
} from '../zygote/control-frames.js';
import { exitText } from '../zygote/exit-text.js';
import { fingerprint } from '../zygote/fingerprint.js';
import type { Orphans } from '../zygote/orphans.js';
import { openWorker } from '../zygote/parentage.js';
import { proveWorker } from '../zygote/proof.js';
import { StandInSocket } from '../zygote/stand-in.js';
import { WorkerOutput } from '../zygote/worker-output.js';
import { Zygote, type ZygoteEnd } from '../zygote/zygote.js';
import { ExecutedProcess } from '../zygote/zygote-process.js';
import { requestLogHandle, type ZygoteHandle } from './hand-over.js';

/** What every generation of every pool of this master uses. */
export interface GenerationTools {
  readonly log: MasterLog;
  readonly accessLogs: AccessLogs;
  readonly orphans: Orphans;
  readonly libraryFd: Fd;
  /** Monotonic. */
  readonly nowMs: () => Milliseconds;
}

/** How a generation's processes are started. */
export interface GenerationPlan {
  readonly pool: PoolConfig;
  readonly number: Count;
  readonly binary: string;
  readonly arguments: readonly string[];
  readonly environment: Record<string, string>;
  readonly settings: readonly Setting[];
  readonly listenFd: Fd;
  /** {@link Generation.prove} will be called. */
  readonly isToProve: boolean;
}

/** A worker that has ended. */
export interface EndedWorker {
  readonly pid: Pid;
  /** Its slot of the scoreboard still tells what it was doing. */
  readonly slot: number;
  /** undefined where its zygote died with it and took the status along. */
  readonly status: ExitStatus | undefined;
  readonly ageMs: Milliseconds;
  /** Requests that it had begun, by its own account. */
  readonly accepted: Count;
  /** It had been told to end. */
  readonly wasRetired: boolean;
  /** It had nothing in hand and did not end when told to, so that it was killed. */
  readonly wasOverdue: boolean;
  /** Why, where that was not for want of work. */
  readonly endReason: string | undefined;
  /** Its request took longer than `request_terminate_timeout`, and had to end. */
  readonly wasTimedOut: boolean;
}

export interface GenerationListener {
  /** It waits for its first client. */
  onWorkerReady(pid: Pid): void;
  /** Fewer workers are idle than {@link Generation.arm} asked for. */
  onFewIdle(): void;
  onAsked(question: Question, answer: (bytes: Buffer) => void): void;
  onWorkerStarted(pid: Pid): void;
  onWorkerEnded(worker: EndedWorker): void;
  /** php-cgi itself has printed something. */
  onStartLine(line: string): void;
  /** What the master will not see of its workers; said once, with the first of them. */
  onBlind(line: string): void;
  /** A request takes longer than `request_slowlog_timeout`. */
  onSlowRequest(): void;
  onForkFailed(reason: string): void;
  /** The zygote has ended and nobody asked it to: no more forks; its workers finish what they have in hand. */
  onZygoteLost(reason: string): void;
  /** Nothing of this generation is left but its scoreboard, for one last look. Called once, last. */
  onEnded(): void;
}

/** A php-cgi that does not become a zygote in this time never will. */
const READY_TIMEOUT_MS: Milliseconds = 10_000;
/** A probe that is killed is gone in a moment; how often to look. */
const PROBE_PATIENCE_MS: Milliseconds = 2000;
const PROBE_LOOK_MS: Milliseconds = 2;
/** How often a line without its end is looked at. */
const OPEN_LINE_LOOK_MS: Milliseconds = 200;
/** Workers that are idle are told to leave within milliseconds. */
const LAST_ACCEPT_PATIENCE_MS: Milliseconds = 1000;
/** After so many looks at which nothing had come the rest of a line is no longer on its way: pools that print much wait. */
const OPEN_LINE_LOOKS: Count = 5;
/** How often a zygote is asked whether it listens, and how many times in a row it may not have answered by then. */
const ECHO_INTERVAL_MS: Milliseconds = 5000;
const MOST_SILENT_LOOKS: Count = 2;

interface RunningWorker {
  readonly at: 'running';
  readonly pid: Pid;
  /** undefined: when its fork was told the kernel knew no such child of the zygote. It is never signalled. */
  readonly process: ProcessHandle | undefined;
  /** Then its end has to be told before the zygote's answer to this echo. */
  readonly endsBeforeEcho: Count | undefined;
  readonly startedAtMs: Milliseconds;
  readonly output: WorkerOutput;
  /** It has reached accept. */
  isReady: boolean;
  /** It was told to end once it is idle, and when. */
  isLeaving: boolean;
  leavesSinceNs: Nanoseconds | undefined;
  /** For whatever reason. */
  isKilled: boolean;
  /** See {@link EndedWorker}. */
  isOverdue: boolean;
  /** What it said of itself was not true for longer than a request may take. */
  isLiar: boolean;
  /** See {@link EndedWorker}. */
  endReason: string | undefined;
  /** It serves the master alone, to prove that workers of this generation do. */
  readonly isProbe: boolean;
}

type WorkerState = { readonly at: 'forking'; readonly isProbe: boolean } | RunningWorker;

interface LeavingWorker extends Leaver {
  readonly worker: RunningWorker;
}

/** A worker as its generation knows it, whatever it writes into its slot. */
export interface KnownWorker {
  readonly slot: number;
  readonly pid: Pid;
  readonly startedAtMs: Milliseconds;
  /** The kernel knows it as one of the zygote's. */
  readonly isHeld: boolean;
  readonly isKilled: boolean;
  readonly isReady: boolean;
  readonly isLeaving: boolean;
  readonly endReason: string | undefined;
}

type State = 'starting' | 'running' | 'draining' | 'orphaned' | 'ended';

/** One zygote of a pool, its scoreboard and its workers. */
export class Generation {
  readonly scoreboard: Scoreboard;
  readonly plan: GenerationPlan;
  /** Once the zygote is ready. */
  php: PhpFacts | undefined;
  readonly #tools: GenerationTools;
  readonly #listener: GenerationListener;
  readonly #workersBySlot = new Map<number, WorkerState>();
  readonly #watch: RequestWatch;
  readonly #claimWatch: ClaimWatch;
  readonly #leaveWatch: LeaveWatch<LeavingWorker>;
  #drainsSinceNs: Nanoseconds | undefined;
  #tracer: Tracer | undefined;
  #isTracingChecked = false;
  readonly #accessLog: AccessLogFile | undefined;
  readonly #requestLog: RequestLog | undefined;
  #zygote: Zygote | undefined;
  #standIn: StandInSocket | undefined;
  #startedFrom: string | undefined;
  #onProbeEnd: ((failure: string) => void) | undefined;
  #echoTimer: NodeJS.Timeout | undefined;
  #openLinesTimer: NodeJS.Timeout | undefined;
  #echoesAsked: Count = 0;
  #echoesHeard: Count = 0;
  #silentLooks: Count = 0;
  #state: State = 'starting';
  /** Workers were to die now: so are those that a zygote which did not answer leaves behind. */
  #isKilled = false;
  #lastLine = '';
  #settleStart: ((failure?: string) => void) | undefined;

  /**
   * @throws SystemError when there is no memory or descriptor for the scoreboard
   * @throws AccessLogOpenError
   */
  constructor(plan: GenerationPlan, tools: GenerationTools, listener: GenerationListener) {
    this.plan = plan;
    this.#tools = tools;
    this.#listener = listener;
    const { name, accessLog, pmMaxChildren } = plan.pool;
    const format = accessFormatOf(plan.pool);
    this.#accessLog = format && accessLog ? tools.accessLogs.acquire(accessLog) : undefined;
    const ringSize = this.#accessLog === undefined ? 0 : LOG_RING_SIZE;
    try {
      this.scoreboard = new Scoreboard(`tsfpm ${name}`, pmMaxChildren, ringSize);
    } catch (error) {
      if (this.#accessLog !== undefined) tools.accessLogs.release(this.#accessLog);
      throw error;
    }
    this.#watch = new RequestWatch({
      pool: plan.pool,
      log: tools.log,
      workers: () => this.workers().filter(({ isHeld }) => isHeld),
      glance: (slot) => this.scoreboard.glance(slot),
      snapshot: (slot) => this.scoreboard.snapshot(slot),
      trace: (pid, depth) => this.trace(pid, depth),
      timeOut: (slot, pid, startNs) => this.#timeOut(slot, pid, startNs),
      kill: (slot, pid, startNs) => this.#killIfInHand(slot, pid, startNs),
      onSlow: () => listener.onSlowRequest(),
    });
    this.#claimWatch = new ClaimWatch({
      pool: plan.pool,
      log: tools.log,
      listenFd: plan.listenFd,
      workers: () => this.workers().filter(({ isHeld, isKilled }) => isHeld && !isKilled),
      glance: (slot) => this.scoreboard.glance(slot),
      kill: (slot, pid) => this.#killLiar(slot, pid),
      onBlind: (line) => listener.onBlind(line),
    });
    this.#leaveWatch = new LeaveWatch({
      leavers: () => this.#leavers(),
      glance: (slot) => this.scoreboard.glance(slot),
      longestRequestNs: BigInt(Math.round(plan.pool.requestTerminateTimeout * 1e9)),
      tell: ({ worker }) => this.#signal(worker, 'SIGTERM'),
      kill: ({ worker }, { seen, reason }) => {
        worker.isOverdue = seen.claim === 'idle' || seen.claim === 'ending';
        this.#killLeaver(worker, reason);
      },
    });
    if (format === undefined || this.#accessLog === undefined) return;
    this.#requestLog = new RequestLog({
      pool: name,
      scoreboard: this.scoreboard,
      format,
      file: this.#accessLog,
      log: tools.log,
      askToBeTold: () => this.#zygote?.logsRead(),
    });
  }

  /** Binary and ini files are still what this generation was started from. */
  get isUpToDate(): boolean {
    return this.#startedFrom !== undefined && this.#startedFrom === this.#fingerprint();
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Workers alive, and forks on their way; a probe is none. */
  get workerCount(): Count {
    return [...this.#workersBySlot.values()].filter(({ isProbe }) => !isProbe).length;
  }

  get zygotePid(): Pid | undefined {
    return this.#zygote?.pid;
  }

  /** As long as it listens. */
  get zygote(): ZygoteHandle | undefined {
    const { pid, controlFd } = this.#zygote ?? {};
    if (pid === undefined || controlFd === undefined) return undefined;
    return this.#requestLog === undefined
      ? { pid, controlFd }
      : {
          pid,
          controlFd,
          requestLog: requestLogHandle(this.plan.pool, this.scoreboard, this.workers()),
        };
  }

  /** In slot order; forks on their way are not among them. */
  workers(): KnownWorker[] {
    return [...this.#workersBySlot]
      .flatMap(([slot, state]) =>
        state.at === 'running' && !state.isProbe
          ? [{ slot, ...state, isHeld: state.process !== undefined }]
          : [],
      )
      .sort((a, b) => a.slot - b.slot);
  }

  /**
   * Starts the zygote. A generation that cannot be started ends by that.
   *
   * @returns when it waits for commands; a text that says why it never will
   */
  start(): Promise<string | undefined> {
    const { binary } = this.plan;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#settleStart?.(
          `php-cgi '${binary}' was not ready after ${READY_TIMEOUT_MS / 1000} s${this.#lastWords()}`,
        );
        this.#zygote?.kill();
      }, READY_TIMEOUT_MS);
      this.#settleStart = (failure) => {
        clearTimeout(timer);
        this.#settleStart = undefined;
        resolve(failure);
      };
      try {
        this.#startZygote();
      } catch (error) {
        const failure = systemFailure(error);
        if (failure === undefined) reject(error);
        this.#settleStart?.(failure);
        this.#state = 'orphaned'; // there is nothing to wait for
        this.#endIfEmpty();
      }
    });
  }

  #startZygote(): void {
    const { binary, environment, listenFd } = this.plan;
    const standIn = new StandInSocket();
    this.#standIn = standIn;
    try {
      const process = new ExecutedProcess(
        { binary, arguments: this.plan.arguments, environment, libraryFd: this.#tools.libraryFd },
        { standInFd: standIn.fd, scoreboardFd: this.scoreboard.fd, listenFd },
      );
      this.#zygote = new Zygote(process, {
        onMessage: (message) => this.#onMessage(message),
        together: (calls) => this.#tools.log.together(calls),
        onLine: (line) => this.#onLine(line),
        onEnd: (end) => this.#onZygoteEnd(end),
      });
    } finally {
      standIn.handOver();
    }
  }

  /** Forks one worker into a free slot. */
  fork(): void {
    const slot = this.#freeSlot();
    if (this.#state !== 'running' || slot === undefined) return;
    this.#workersBySlot.set(slot, { at: 'forking', isProbe: false });
    this.#zygote?.fork(slot);
  }

  /**
   * Has a worker forked for the master alone and asks it something, before any other worker exists.
   *
   * @returns undefined when it answers, else why it does not
   */
  async prove(): Promise<string | undefined> {
    const slot = this.#freeSlot();
    if (this.#state !== 'running' || slot === undefined || this.#standIn === undefined)
      return 'it is not ready';
    this.#workersBySlot.set(slot, { at: 'forking', isProbe: true });
    this.#zygote?.forkProbe(slot);
    const failure = await Promise.race([
      proveWorker(this.#standIn.path),
      new Promise<string>((resolve) => {
        this.#onProbeEnd = resolve;
      }),
    ]);
    this.#standIn.remove();
    await this.#endProbe(slot);
    this.#onProbeEnd = undefined;
    return failure === undefined
      ? undefined
      : `its first worker does not answer: ${failure}${this.#lastWords()}`;
  }

  /**
   * Until it has ended its slot is missing: a pool of one worker would have none for its first. Its answer may be here
   * before the word of its fork; and its zygote may be gone, then the kernel has told it to end.
   */
  async #endProbe(slot: number): Promise<void> {
    const deadlineMs = this.#tools.nowMs() + PROBE_PATIENCE_MS;
    let isTold = false;
    for (;;) {
      const probe = this.#workersBySlot.get(slot);
      if (probe?.isProbe !== true || this.#tools.nowMs() > deadlineMs) return;
      if (probe.at === 'running' && !isTold) {
        isTold = true;
        this.#signal(probe, 'SIGKILL');
      }
      await new Promise((resolve) => setTimeout(resolve, PROBE_LOOK_MS));
    }
  }

  /**
   * That worker ends once it is idle.
   *
   * @param reason where it is not for want of work; /metrics counts by it
   */
  retire(pid: Pid, reason?: string): void {
    for (const [slot, state] of this.#workersBySlot) {
      if (state.at !== 'running' || state.pid !== pid || state.isLeaving) continue;
      state.isLeaving = true;
      state.leavesSinceNs = process.hrtime.bigint();
      state.endReason = reason;
      this.scoreboard.leave(slot);
      this.#zygote?.retire(slot, pid);
      this.#leaveWatch.wake();
    }
  }

  /**
   * That worker dies now, if it has that request still in hand.
   *
   * @param reason /metrics counts by it
   */
  killRequest(pid: Pid, requestStartNs: Nanoseconds, reason: string): void {
    for (const [slot, state] of this.#workersBySlot) {
      if (state.at !== 'running' || state.pid !== pid) continue;
      state.endReason = reason;
      this.#killIfInHand(slot, pid, requestStartNs);
    }
  }

  /** Tells once, by `onFewIdle`, when fewer workers are idle; 0: not any more. */
  arm(idleWanted: Count): void {
    if (this.#state === 'running') this.#zygote?.arm(idleWanted);
  }

  /**
   * Where PHP is in that worker, at most `depth` functions.
   *
   * @throws CannotTrace
   */
  async trace(pid: Pid, depth: Count): Promise<Trace> {
    const worker = this.#running().find((one) => one.pid === pid)?.process;
    // Not reaped before and after, it was the process of that number all the while: nobody else's memory gets into a log.
    if (worker === undefined || !worker.isThere) throw new CannotTrace('it has ended');
    this.#tracer ??= this.#newTracer(pid);
    const trace = await this.#tracer.trace(pid, depth);
    if (!worker.isThere) throw new CannotTrace('it has ended');
    return trace;
  }

  /** Every worker finishes what it has in hand; then the generation ends. */
  drain(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'running') this.#state = 'draining';
    else if (this.#state === 'starting') this.kill();
    this.#zygote?.drain();
    this.#letAllLeave();
  }

  #letAllLeave(): void {
    this.#drainsSinceNs ??= process.hrtime.bigint();
    this.scoreboard.drain();
    this.#leaveWatch.wake();
  }

  /** After a drain: when none of its workers waits for a client any more, by their own account, or in a moment at most. */
  async untilNobodyAccepts(): Promise<void> {
    const deadlineMs = this.#tools.nowMs() + LAST_ACCEPT_PATIENCE_MS;
    while (this.#state !== 'ended' && this.scoreboard.header().idle > 0 && this.#tools.nowMs() < deadlineMs)
      await new Promise((resolve) => setTimeout(resolve, PROBE_LOOK_MS));
  }

  /** Every worker dies now, whatever it has in hand, and its last output is logged. */
  killWorkers(): void {
    this.#isKilled = true;
    for (const worker of this.#running()) this.#signal(worker, 'SIGKILL');
    this.drain();
  }

  /** Access log: what its workers have told so far is on its way to the file. */
  flushRequestLog(): void {
    this.#requestLog?.flush();
  }

  /** For a zygote that does not answer. */
  kill(): void {
    if (this.#state === 'starting' || this.#state === 'running') this.#state = 'draining';
    this.#zygote?.kill();
  }

  /** Probes as well. */
  #running(): RunningWorker[] {
    return [...this.#workersBySlot.values()].filter((state) => state.at === 'running');
  }

  #timeOut(slot: number, pid: Pid, requestStartNs: Nanoseconds): void {
    const worker = this.#workersBySlot.get(slot);
    if (worker?.at === 'running' && worker.pid === pid) this.#signal(worker, TIME_OUT_SIGNAL, requestStartNs);
  }

  /** Between the look and the blow lie microseconds. */
  #killIfInHand(slot: number, pid: Pid, requestStartNs: Nanoseconds): void {
    const worker = this.#workersBySlot.get(slot);
    if (worker?.at !== 'running' || worker.pid !== pid) return;
    const glance = this.scoreboard.glance(slot);
    if (glance !== undefined && isInHand(glance, requestStartNs)) this.#signal(worker, 'SIGKILL');
  }

  #killLiar(slot: number, pid: Pid): void {
    const worker = this.#workersBySlot.get(slot);
    if (worker?.at !== 'running' || worker.pid !== pid) return; // it has ended meanwhile
    worker.isLiar = true;
    this.#signal(worker, 'SIGKILL');
  }

  #leavers(): LeavingWorker[] {
    return [...this.#workersBySlot].flatMap(([slot, worker]) => {
      if (worker.at !== 'running' || worker.isKilled) return [];
      const sinceNs = worker.leavesSinceNs ?? this.#drainsSinceNs;
      return sinceNs === undefined ? [] : [{ slot, pid: worker.pid, sinceNs, worker }];
    });
  }

  #killLeaver(worker: RunningWorker, reason: string): void {
    const { name } = this.plan.pool;
    if (worker.process?.hasEnded !== false) return;
    this.#tools.log.notice(`[pool ${name}] child ${worker.pid} ${reason}, killing it`, {
      pool: name,
      pid: worker.pid,
    });
    this.#signal(worker, 'SIGKILL');
  }

  #signal(worker: RunningWorker, signal: NodeJS.Signals | number, value?: bigint): void {
    worker.isKilled ||= signal === 'SIGKILL';
    try {
      worker.process?.send(signal, value);
    } catch (error) {
      const { name } = this.plan.pool;
      const { reason } = asSystemError(error);
      this.#tools.log.error(`[pool ${name}] child ${worker.pid} cannot be signalled: ${reason}`, {
        pool: name,
        pid: worker.pid,
      });
    }
  }

  /** @throws CannotTrace */
  #newTracer(worker: Pid): Tracer {
    if (this.php === undefined) throw new CannotTrace('its zygote is not ready');
    // The zygote may be looked into without further rights; its workers are loaded where it is.
    const zygote = this.#state === 'orphaned' ? undefined : this.#zygote?.pid;
    return Tracer.of(zygote ?? worker, this.php.version);
  }

  #tracingFailure(worker: Pid): CannotTrace | undefined {
    try {
      this.#tracer ??= this.#newTracer(worker);
      return this.#tracer.permissionFailure(worker);
    } catch (error) {
      if (error instanceof CannotTrace) return error;
      throw error;
    }
  }

  /** Once, with its first worker: slow requests that come without a backtrace must not surprise. */
  #checkTracing(pid: Pid): void {
    if (this.#isTracingChecked || this.plan.pool.requestSlowlogTimeout === 0) return;
    this.#isTracingChecked = true;
    const failure = this.#tracingFailure(pid);
    if (failure !== undefined)
      this.#listener.onBlind(`slow requests will be logged without a backtrace: ${failure.message}`);
  }

  #fingerprint(): string {
    return fingerprint([this.plan.binary, ...(this.php?.iniFiles ?? [])]);
  }

  /** A zygote that is stopped or hangs keeps its pool from growing, and from ending: it is found out. */
  #watchZygote(): void {
    this.#echoTimer = setInterval(() => {
      if (this.#echoesHeard < this.#echoesAsked) this.#silentLooks++;
      if (this.#silentLooks >= MOST_SILENT_LOOKS) {
        this.#tools.log.error(
          `[pool ${this.plan.pool.name}] zygote ${this.#zygote?.pid} does not answer; killing it`,
          { pool: this.plan.pool.name },
        );
        this.#zygote?.kill();
        return;
      }
      this.#askEcho();
    }, ECHO_INTERVAL_MS);
    this.#echoTimer.unref();
  }

  /** @returns its number */
  #askEcho(): Count {
    this.#zygote?.echo();
    return ++this.#echoesAsked;
  }

  #onEchoed(): void {
    this.#silentLooks = 0;
    const heard = ++this.#echoesHeard;
    if (heard > this.#echoesAsked) throw new ProtocolError('ECHOED that was not asked for');
    for (const { pid, endsBeforeEcho } of this.#running())
      if (endsBeforeEcho !== undefined && endsBeforeEcho <= heard)
        throw new ProtocolError(`a worker with pid ${pid}, which is no child of the zygote`);
  }

  #freeSlot(): number | undefined {
    for (let slot = 0; slot < this.scoreboard.slotCount; slot++)
      if (!this.#workersBySlot.has(slot)) return slot;
    return undefined;
  }

  #onMessage(message: ZygoteMessage): void {
    switch (message.type) {
      case 'ready':
        this.#onReady(message.php);
        break;
      case 'forked':
        this.#onForked(message.slot, message.pid);
        break;
      case 'fork failed':
        this.#onForkFailed(message.slot, `${errorReason(message.errno)} (${message.errno})`);
        break;
      case 'exited': {
        const worker = this.#expectPid(message.slot, message.pid);
        this.#onWorkerEnd(message.slot, worker, decodeWaitStatus(message.waitStatus), message.accepted);
        break;
      }
      case 'output':
        this.#expectPid(message.slot, message.pid).output.push(message.stream, message.bytes);
        this.#watchOpenLines();
        break;
      case 'started':
        this.#onWorkerReady(this.#expectPid(message.slot, message.pid));
        break;
      case 'echoed':
        this.#onEchoed();
        break;
      case 'logged':
        this.#requestLog?.onLogged();
        break;
      case 'taken':
        this.#listener.onFewIdle();
        break;
      case 'asked': {
        const { slot, pid, question } = message;
        this.#expectPid(slot, pid);
        this.#listener.onAsked(question, (bytes) => this.#zygote?.answer(slot, pid, question.id, bytes));
        break;
      }
      default:
        unreachable(message);
    }
  }

  #onForkFailed(slot: number, reason: string): void {
    const { isProbe } = this.#expect(slot, 'forking');
    this.#workersBySlot.delete(slot);
    if (isProbe) this.#onProbeEnd?.(`fork: ${reason}`);
    else this.#listener.onForkFailed(reason);
  }

  #onReady(php: PhpFacts): void {
    if (this.php !== undefined) throw new ProtocolError('READY twice');
    this.php = php;
    this.#startedFrom = this.#fingerprint();
    if (this.#state !== 'starting') return;
    this.#zygote?.configure(this.plan.settings);
    this.#state = 'running';
    this.#watchZygote();
    if (!this.plan.isToProve) this.#standIn?.remove();
    this.#settleStart?.();
  }

  #onWorkerReady(worker: RunningWorker): void {
    worker.isReady = true;
    if (!worker.isProbe && worker.process !== undefined) this.#checkTracing(worker.pid);
    if (!worker.isProbe) this.#listener.onWorkerReady(worker.pid);
  }

  #onForked(slot: number, pid: Pid): void {
    const { isProbe } = this.#expect(slot, 'forking');
    // Signals are sent to this number by a root process: nothing but a plausible worker may get in.
    if (pid <= 1 || pid === process.pid || this.#running().some((worker) => worker.pid === pid))
      throw new ProtocolError(`a worker with pid ${pid}`);
    const held = openWorker(pid, this.zygotePid ?? 0);
    const worker: RunningWorker = {
      at: 'running',
      pid,
      process: held,
      // It may have ended already, and its number may be another's by now; then the zygote has told its end.
      endsBeforeEcho: held === undefined ? this.#askEcho() : undefined,
      startedAtMs: this.#tools.nowMs(),
      output: new WorkerOutput(this.#tools.log, {
        pool: this.plan.pool.name,
        pid,
        isDecorated: this.plan.pool.decorateWorkersOutput,
      }),
      isReady: false,
      isLeaving: false,
      leavesSinceNs: undefined,
      isKilled: false,
      isOverdue: false,
      isLiar: false,
      endReason: undefined,
      isProbe,
    };
    this.#workersBySlot.set(slot, worker);
    if (this.#isKilled) this.#signal(worker, 'SIGKILL');
    if (this.#drainsSinceNs !== undefined) this.#leaveWatch.wake(); // its fork was on its way
    if (isProbe) return;
    this.#watch.wake();
    this.#claimWatch.wake();
    this.#requestLog?.open(slot, { pid, zygotePid: this.zygotePid ?? 0 });
    this.#listener.onWorkerStarted(pid);
  }

  #expect(slot: number, at: WorkerState['at']): WorkerState {
    const state = this.#workersBySlot.get(slot);
    if (state?.at !== at) throw new ProtocolError(`slot ${slot} is not ${at}`);
    return state;
  }

  #expectPid(slot: number, pid: Pid): RunningWorker {
    const worker = this.#workersBySlot.get(slot);
    if (worker?.at !== 'running' || worker.pid !== pid)
      throw new ProtocolError(`slot ${slot} does not hold pid ${pid}`);
    return worker;
  }

  #onWorkerEnd(slot: number, worker: RunningWorker, status: ExitStatus | undefined, accepted: Count): void {
    worker.output.close();
    worker.process?.close();
    this.#requestLog?.close(slot);
    this.#workersBySlot.delete(slot);
    if (worker.isProbe) {
      this.#onProbeEnd?.(`it exited ${exitText(status)}`);
      return;
    }
    const ageMs = this.#tools.nowMs() - worker.startedAtMs;
    this.#listener.onWorkerEnded({
      pid: worker.pid,
      slot,
      status,
      ageMs,
      accepted,
      wasRetired: worker.isLeaving,
      wasOverdue: worker.isOverdue,
      endReason: worker.endReason,
      wasTimedOut: worker.isLiar || this.#watch.hasTimedOut(slot, worker.pid),
    });
  }

  #onLine(raw: string): void {
    // php-cgi writes its start-up warnings for a browser.
    const line = raw.replace(/<br \/>|<\/?b>/g, '').trim();
    if (line === '') return;
    this.#lastLine = line;
    this.#listener.onStartLine(line);
  }

  /**
   * A worker marks the end of what its request printed; of what a program printed that its script started it may know
   * nothing. Such a line ends once the worker is idle.
   */
  #watchOpenLines(): void {
    if (this.#openLinesTimer !== undefined || !this.#hasOpenLines) return;
    this.#openLinesTimer = setTimeout(() => {
      this.#openLinesTimer = undefined;
      for (const [slot, worker] of this.#workersBySlot) {
        if (worker.at !== 'running' || !worker.output.isMidLine) continue;
        if (worker.output.quietLooks() < OPEN_LINE_LOOKS) continue;
        const stage = this.scoreboard.glance(slot)?.stage;
        if (stage === 'accepting' || stage === 'waiting') worker.output.endLine();
      }
      this.#watchOpenLines();
    }, OPEN_LINE_LOOK_MS);
  }

  get #hasOpenLines(): boolean {
    for (const worker of this.#workersBySlot.values())
      if (worker.at === 'running' && worker.output.isMidLine) return true;
    return false;
  }

  #lastWords(): string {
    return this.#lastLine === '' ? '' : `; its last words: "${this.#lastLine}"`;
  }

  #onZygoteEnd(end: ZygoteEnd): void {
    const wasAskedTo = this.#state === 'draining';
    const reason = this.#endReason(end);
    if (end.kind === 'broken protocol') this.#isKilled = true;
    clearInterval(this.#echoTimer);
    this.#settleStart?.(reason);
    this.#onProbeEnd?.(reason);
    for (const [slot, state] of this.#workersBySlot)
      if (state.at === 'forking') this.#workersBySlot.delete(slot);
    if (this.#state === 'running') this.#listener.onZygoteLost(reason);
    else if (wasAskedTo && end.kind !== 'exited' && this.#workersBySlot.size > 0)
      this.#tools.log.warning(
        `[pool ${this.plan.pool.name}] ${reason}; its workers ${this.#isKilled ? 'are killed' : 'finish'}`,
      );
    this.#state = 'orphaned';
    this.#letAllLeave();
    this.#requestLog?.onOrphaned();
    for (const [slot, state] of [...this.#workersBySlot])
      if (state.at === 'running') this.#adopt(slot, state);
    this.#endIfEmpty();
  }

  #adopt(slot: number, worker: RunningWorker): void {
    if (worker.process === undefined) {
      this.#onWorkerEnd(slot, worker, undefined, 0); // as far as anybody knows
      return;
    }
    this.#tools.orphans.adopt(worker.process, (status) => {
      this.#onWorkerEnd(slot, worker, status, 0);
      this.#endIfEmpty();
    });
    if (this.#isKilled) this.#signal(worker, 'SIGKILL');
  }

  #endReason(end: ZygoteEnd): string {
    const { binary } = this.plan;
    switch (end.kind) {
      case 'not started':
        return `php-cgi '${binary}' cannot be started: ${end.reason}`;
      case 'broken protocol':
        return `zygote ${this.#zygote?.pid} broke the control protocol (${end.reason}) and was killed`;
      default: {
        const when = this.php === undefined ? ' before it was ready' : '';
        return this.php === undefined
          ? `php-cgi '${binary}' exited ${exitText(end)}${when}${this.#lastWords()}`
          : `zygote ${this.#zygote?.pid} exited ${exitText(end)}${this.#lastWords()}`;
      }
    }
  }

  #endIfEmpty(): void {
    if (this.#state !== 'orphaned' || this.#workersBySlot.size > 0) return;
    this.#state = 'ended';
    this.#watch.stop();
    this.#claimWatch.stop();
    this.#leaveWatch.stop();
    this.#listener.onEnded();
    this.#requestLog?.end();
    clearTimeout(this.#openLinesTimer);
    if (this.#accessLog !== undefined) this.#tools.accessLogs.release(this.#accessLog);
    this.scoreboard.close();
    this.#standIn?.remove();
  }
}

/** It has begun that request, and is not idle since. */
function isInHand({ stage, requestStartNs, idleSinceNs }: SlotGlance, startNs: Nanoseconds): boolean {
  const isBusy = stage !== 'accepting' && stage !== 'waiting' && stage !== 'starting';
  return isBusy && requestStartNs === startNs && idleSinceNs <= startNs;
}
