import { closeSync } from 'node:fs';
import type { PoolConfig } from '../config/config.js';
import { ProtocolError, unreachable } from '../errors.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { systemFailure } from '../os/libc.js';
import type { Scoreboard } from '../scoreboard/scoreboard.js';
import type { Trace } from '../slowlog/tracer.js';
import type { Count, Fd, Milliseconds, Nanoseconds, Pid } from '../units.js';
import type { PhpFacts, Question, Setting, ZygoteMessage } from '../zygote/control-frames.js';
import { lastWords, zygoteEndText } from '../zygote/end-text.js';
import { runErrand } from '../zygote/errand.js';
import { Fingerprint } from '../zygote/fingerprint.js';
import { Heartbeat } from '../zygote/heartbeat.js';
import type { Orphans } from '../zygote/orphans.js';
import { openUnreachableSocket, StandInSocket } from '../zygote/stand-in.js';
import { startLineText } from '../zygote/start-lines.js';
import type { ZygoteStarts } from '../zygote/templates.js';
import { READY_TIMEOUT_MS, Zygote, type ZygoteEnd } from '../zygote/zygote.js';
import type { StartProcess } from '../zygote/zygote-process.js';
import { requestLogHandle, type ZygoteHandle } from './hand-over.js';
import { openSharedMemory, type SharedMemory } from './shared-memory.js';
import type { KnownWorker } from './worker-table.js';
import { Workers, type WorkersListener } from './workers.js';

/** What every generation of every pool of this master uses. */
export interface GenerationTools {
  readonly log: MasterLog;
  readonly accessLogs: AccessLogs;
  readonly orphans: Orphans;
  readonly zygoteStarts: ZygoteStarts;
  readonly libraryFd: Fd;
  /** Monotonic. */
  readonly nowMs: () => Milliseconds;
}

/** How a generation's processes are started. */
export interface GenerationPlan {
  readonly pool: PoolConfig;
  readonly number: Count;
  /** php-cgi's path. */
  readonly binary: string;
  readonly start: StartProcess;
  readonly settings: readonly Setting[];
  readonly listenFd: Fd;
  /** {@link Generation.prove} will be called. */
  readonly isToProve: boolean;
}

export interface GenerationListener extends WorkersListener {
  /** Fewer workers are idle than {@link Generation.arm} asked for. */
  onFewIdle(): void;
  /** A client keeps its connection, and the zygote was not told of a keeper. */
  onKeeperWanted(): void;
  onAsked(question: Question, answer: (bytes: Buffer) => void): void;
  /** php-cgi itself has printed something. */
  onStartLine(line: string): void;
  /** The zygote has ended and nobody asked it to: no more forks; its workers finish what they have in hand. */
  onZygoteLost(reason: string): void;
  /** No process of this generation is left, and its scoreboard can be read a last time. Called once, last. */
  onEnded(): void;
}

/**
 * Workers that are idle stop accepting within milliseconds after a drain; how long to wait for it, and how often to
 * check.
 */
const LAST_ACCEPT_PATIENCE_MS: Milliseconds = 1000;
const CHECK_ACCEPT_EVERY_MS: Milliseconds = 2;

/**
 * `starting`: the zygote is not ready. `draining`: it was asked to end. `orphaned`: it has ended, workers may be left.
 */
type State = 'starting' | 'running' | 'draining' | 'orphaned' | 'ended';

/**
 * One zygote of a pool, its scoreboard and its workers, from the start of php-cgi until the last of its processes has
 * ended.
 */
export class Generation {
  readonly scoreboard: Scoreboard;
  readonly plan: GenerationPlan;
  /** Known once the zygote is ready. */
  php: PhpFacts | undefined;
  readonly #tools: GenerationTools;
  readonly #listener: GenerationListener;
  readonly #memory: SharedMemory;
  readonly #workers: Workers;
  readonly #heartbeat: Heartbeat;
  #state: State = 'starting';
  #zygote: Zygote | undefined;
  #standIn: StandInSocket | undefined;
  #settleStart: ((failure?: string) => void) | undefined;
  /** The binary and the ini files, as they were when PHP had read them. */
  #startedFrom: Fingerprint | undefined;
  #lastLine = '';

  /**
   * @throws SystemError when there is no memory or descriptor for the scoreboard
   * @throws AccessLogOpenError
   */
  constructor(plan: GenerationPlan, tools: GenerationTools, listener: GenerationListener) {
    this.plan = plan;
    this.#tools = tools;
    this.#listener = listener;
    this.#memory = openSharedMemory(plan.pool, tools, () => this.#zygote?.logsRead());
    this.scoreboard = this.#memory.scoreboard;
    this.#heartbeat = new Heartbeat({
      ask: () => this.#zygote?.echo(),
      onSilent: () => this.#onZygoteSilent(),
    });
    const { pool, listenFd } = plan;
    const zygote = {
      pid: () => this.zygotePid,
      hasEnded: () => this.#state === 'orphaned' || this.#state === 'ended',
      phpVersion: () => this.php?.version,
      askEcho: () => this.#heartbeat.ask(),
      forkProbe: (slot: number) => this.#zygote?.forkProbe(slot),
      retire: (slot: number, pid: Pid) => this.#zygote?.retire(slot, pid),
    };
    this.#workers = new Workers({ ...tools, pool, listenFd, memory: this.#memory, zygote }, listener);
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Binary and ini files are still what this generation was started from. */
  get isUpToDate(): boolean {
    return this.#startedFrom?.isUpToDate ?? false;
  }

  get zygotePid(): Pid | undefined {
    return this.#zygote?.pid;
  }

  /** For the next program in this process; undefined where nobody listens at its control channel any more. */
  get zygote(): ZygoteHandle | undefined {
    const { pid, controlFd } = this.#zygote ?? {};
    if (pid === undefined || controlFd === undefined) return undefined;
    if (this.#memory.requestLog === undefined) return { pid, controlFd };
    return { pid, controlFd, requestLog: requestLogHandle(this.plan.pool, this.scoreboard, this.workers()) };
  }

  /** Workers alive, and forks on their way; a probe is none. */
  get workerCount(): Count {
    return this.#workers.count;
  }

  /** In slot order; forks on their way are not among them. */
  workers(): KnownWorker[] {
    return this.#workers.known();
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
          `php-cgi '${binary}' was not ready after ${READY_TIMEOUT_MS / 1000} s${lastWords(this.#lastLine)}`,
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
    const { start, listenFd, isToProve } = this.plan;
    if (isToProve) this.#standIn = new StandInSocket();
    const standInFd = this.#standIn?.fd ?? openUnreachableSocket();
    try {
      const descriptors = { standInFd, scoreboardFd: this.scoreboard.fd, listenFd };
      this.#zygote = new Zygote(start, descriptors, {
        onMessage: (message) => this.#onMessage(message),
        together: (calls) => this.#tools.log.together(calls),
        onLine: (line) => this.#onLine(line),
        onEnd: (end) => this.#onZygoteEnd(end),
      });
    } finally {
      if (this.#standIn === undefined) closeSync(standInFd);
      else this.#standIn.handOver();
    }
  }

  /**
   * Has a worker forked for the master alone and asks it something, before any other worker exists.
   *
   * @returns undefined when it answers, else why it does not
   */
  async prove(): Promise<string | undefined> {
    const standIn = this.#state === 'running' ? this.#standIn : undefined;
    const proof = standIn && this.#workers.prove(standIn);
    if (proof === undefined) return 'it is not ready';
    const failure = await proof;
    return failure === undefined
      ? undefined
      : `its first worker does not answer: ${failure}${lastWords(this.#lastLine)}`;
  }

  /**
   * Has an errand evaluate a PHP expression, see {@link runErrand}.
   *
   * @returns its answer, which is a claim; undefined where there is none
   */
  async errand(expression: string, patienceMs: Milliseconds): Promise<Buffer | undefined> {
    const fd = this.#state === 'running' ? this.#zygote?.forkErrand() : undefined;
    return fd === undefined ? undefined : runErrand(fd, expression, patienceMs);
  }

  /** A worker of it has begun a request, by its own account. */
  get hasServed(): boolean {
    if (this.scoreboard.header().pastAccepted > 0n) return true;
    return this.workers().some(({ slot }) => (this.scoreboard.glance(slot)?.requestStartNs ?? 0n) > 0n);
  }

  /** Forks one worker into a free slot. */
  fork(): void {
    if (this.#state !== 'running') return;
    const slot = this.#workers.beginFork();
    if (slot !== undefined) this.#zygote?.fork(slot);
  }

  /** Has `onFewIdle` called once, when fewer workers are idle; 0: not any more. */
  arm(idleWanted: Count): void {
    if (this.#state === 'running') this.#zygote?.arm(idleWanted);
  }

  /**
   * Where PHP is in that worker, at most `depth` functions.
   *
   * @throws CannotTrace
   */
  trace(pid: Pid, depth: Count): Promise<Trace> {
    return this.#workers.trace(pid, depth);
  }

  /** The access log of its workers, as far as they have reported requests, is on its way to the file. */
  flushRequestLog(): void {
    this.#memory.requestLog?.flush();
  }

  /**
   * Lets the worker end once it is idle.
   *
   * @param reason where it is not for want of work; /metrics counts by it
   */
  retire(pid: Pid, reason?: string): void {
    this.#workers.retire(pid, reason);
  }

  /**
   * Kills the worker now, if it has that request still in hand.
   *
   * @param reason /metrics counts by it
   */
  killRequest(pid: Pid, requestStartNs: Nanoseconds, reason: string): void {
    this.#workers.killRequest(pid, requestStartNs, reason);
  }

  /** Its workers take kept connections from the pool's keeper, too. Before the first worker for clients is forked. */
  useKeeper(workersFd: Fd): void {
    if (this.#state === 'running') this.#zygote?.useKeeper(workersFd);
  }

  /** Whether its workers may hand kept connections over. */
  setKeeper(state: { readonly takes: boolean }): void {
    if (this.#state !== 'ended') this.scoreboard.setKeeper(state);
  }

  /** Every worker finishes what it has in hand; then the generation ends. */
  drain(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'running') this.#state = 'draining';
    else if (this.#state === 'starting') this.kill();
    this.#zygote?.drain();
    this.#workers.letAllLeave();
  }

  /**
   * After a drain: when none of its workers waits for a client any more, by their own account, or in a moment at most.
   */
  async untilNobodyAccepts(): Promise<void> {
    const deadlineMs = this.#tools.nowMs() + LAST_ACCEPT_PATIENCE_MS;
    while (this.#state !== 'ended' && this.scoreboard.header().idle > 0 && this.#tools.nowMs() < deadlineMs)
      await new Promise((resolve) => setTimeout(resolve, CHECK_ACCEPT_EVERY_MS));
  }

  /** Every worker dies now, whatever it has in hand, and its last output is logged. */
  killWorkers(): void {
    this.#workers.kill();
    this.drain();
  }

  /** Kills the zygote: for one that does not answer. */
  kill(): void {
    if (this.#state === 'starting' || this.#state === 'running') this.#state = 'draining';
    this.#zygote?.kill();
  }

  #onMessage(message: ZygoteMessage): void {
    switch (message.type) {
      case 'ready':
        this.#onReady(message.php);
        break;
      case 'cannot fork':
        throw new ProtocolError('what only a template says');
      case 'forked':
      case 'fork failed':
      case 'started':
      case 'output':
      case 'exited':
        this.#workers.onMessage(message);
        break;
      case 'asked': {
        const { slot, pid, question } = message;
        this.#workers.expect(slot, pid);
        this.#listener.onAsked(question, (bytes) => this.#zygote?.answer(slot, pid, question.id, bytes));
        break;
      }
      case 'echoed':
        this.#workers.onEchoed(this.#heartbeat.onEchoed());
        break;
      case 'logged':
        this.#memory.requestLog?.onLogged();
        break;
      case 'keeper wanted':
        this.#listener.onKeeperWanted();
        break;
      case 'taken':
        this.#listener.onFewIdle();
        break;
      default:
        unreachable(message);
    }
  }

  #onReady(php: PhpFacts): void {
    if (this.php !== undefined) throw new ProtocolError('READY twice');
    this.php = php;
    this.#startedFrom = this.#zygote?.startedFrom ?? new Fingerprint([this.plan.binary, ...php.iniFiles]);
    if (this.#state !== 'starting') return;
    this.#zygote?.configure(this.plan.settings);
    this.#state = 'running';
    this.#heartbeat.start();
    this.#settleStart?.();
  }

  #onLine(raw: string): void {
    const line = startLineText(raw);
    if (line === '') return;
    this.#lastLine = line;
    this.#listener.onStartLine(line);
  }

  #onZygoteSilent(): void {
    const { name } = this.plan.pool;
    this.#tools.log.error(`[pool ${name}] zygote ${this.zygotePid} does not answer; killing it`, {
      pool: name,
    });
    this.#zygote?.kill();
  }

  #onZygoteEnd(end: ZygoteEnd): void {
    const { pool, binary } = this.plan;
    const reason = zygoteEndText(end, {
      binary,
      pid: this.zygotePid,
      wasReady: this.php !== undefined,
      lastLine: this.#lastLine,
    });
    if (end.kind === 'broken protocol') this.#workers.kill();
    this.#heartbeat.stop();
    this.#settleStart?.(reason);
    this.#workers.dropForks(reason);
    if (this.#state === 'running') this.#listener.onZygoteLost(reason);
    else if (this.#state === 'draining' && end.kind !== 'exited' && !this.#workers.isEmpty)
      this.#tools.log.warning(
        `[pool ${pool.name}] ${reason}; its workers ${this.#workers.areKilled ? 'are killed' : 'finish'}`,
      );
    this.#state = 'orphaned';
    this.#workers.adopt(() => this.#endIfEmpty());
    this.#endIfEmpty();
  }

  #endIfEmpty(): void {
    if (this.#state !== 'orphaned' || !this.#workers.isEmpty) return;
    this.#state = 'ended';
    this.#workers.end();
    this.#listener.onEnded();
    this.#memory.close();
    this.#standIn?.remove();
  }
}
