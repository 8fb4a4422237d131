import type { PoolConfig } from '../config/config.js';
import { ProtocolError, unreachable } from '../errors.js';
import type { MasterLog } from '../log/master-log.js';
import { errorReason } from '../os/libc.js';
import { decodeWaitStatus, type ExitStatus } from '../os/process.js';
import { Scoreboard } from '../scoreboard/scoreboard.js';
import type { Count, Fd, Milliseconds, Pid } from '../units.js';
import type { OutputStream, Question, Setting, ZygoteMessage } from './control-frames.js';
import { exitText } from './exit-text.js';
import type { Orphans } from './orphans.js';
import { OutputLines } from './output-lines.js';
import { Zygote, type ZygoteEnd } from './zygote.js';

/** What every generation of every pool of this master uses. */
export interface GenerationTools {
  readonly log: MasterLog;
  readonly orphans: Orphans;
  readonly standInFd: Fd;
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
}

/** A worker that has ended. */
export interface EndedWorker {
  readonly pid: Pid;
  /** undefined where its zygote died with it and took the status along. */
  readonly status: ExitStatus | undefined;
  readonly ageMs: Milliseconds;
  /** Requests that it had begun, by its own account. */
  readonly accepted: Count;
  /** It had been told to end. */
  readonly wasRetired: boolean;
}

export interface GenerationListener {
  /** It waits for its first client. */
  onWorkerReady(pid: Pid): void;
  /** Fewer workers are idle than {@link Generation.arm} asked for. */
  onFewIdle(): void;
  onAsked(question: Question, answer: (bytes: Buffer) => void): void;
  onWorkerStarted(pid: Pid): void;
  onWorkerEnded(worker: EndedWorker): void;
  onForkFailed(reason: string): void;
  /** The zygote has ended and nobody asked it to: no more forks; its workers finish what they have in hand. */
  onZygoteLost(reason: string): void;
  /** Nothing of this generation is left but its scoreboard, for one last look. Called once, last. */
  onEnded(): void;
}

/** A php-cgi that does not become a zygote in this time never will. */
const READY_TIMEOUT_MS: Milliseconds = 10_000;

interface RunningWorker {
  readonly at: 'running';
  readonly pid: Pid;
  readonly startedAtMs: Milliseconds;
  readonly output: Record<OutputStream, OutputLines>;
  /** It has reached accept. */
  isReady: boolean;
  /** It was told to end once it is idle. */
  isLeaving: boolean;
}

type WorkerState = { readonly at: 'forking' } | RunningWorker;

/** A worker as its generation knows it, whatever it writes into its slot. */
export interface KnownWorker {
  readonly slot: number;
  readonly pid: Pid;
  readonly startedAtMs: Milliseconds;
  readonly isReady: boolean;
  readonly isLeaving: boolean;
}

type State = 'starting' | 'running' | 'draining' | 'orphaned' | 'ended';

/** One zygote of a pool, its scoreboard and its workers. */
export class Generation {
  readonly scoreboard: Scoreboard;
  readonly plan: GenerationPlan;
  phpVersion: string | undefined;
  /** php.ini's `expose_php`, once ready. */
  exposesPhp = false;
  readonly #tools: GenerationTools;
  readonly #listener: GenerationListener;
  readonly #workersBySlot = new Map<number, WorkerState>();
  #zygote: Zygote | undefined;
  #state: State = 'starting';
  /** Workers were to die now: so are those that a zygote which did not answer leaves behind. */
  #isKilled = false;
  #lastLine = '';
  #settleStart: ((failure?: string) => void) | undefined;

  /** @throws SystemError when there is no memory or descriptor for the scoreboard */
  constructor(plan: GenerationPlan, tools: GenerationTools, listener: GenerationListener) {
    this.plan = plan;
    this.#tools = tools;
    this.#listener = listener;
    this.scoreboard = new Scoreboard(`tsfpm ${plan.pool.name}`, plan.pool.pmMaxChildren);
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Workers alive, and forks on their way. */
  get workerCount(): Count {
    return this.#workersBySlot.size;
  }

  get zygotePid(): Pid | undefined {
    return this.#zygote?.pid;
  }

  /** In slot order; forks on their way are not among them. */
  workers(): KnownWorker[] {
    return [...this.#workersBySlot]
      .flatMap(([slot, state]) => (state.at === 'running' ? [{ slot, ...state }] : []))
      .sort((a, b) => a.slot - b.slot);
  }

  /**
   * Starts the zygote.
   *
   * @returns when it waits for commands; a text that says why it never will
   */
  start(): Promise<string | undefined> {
    const { binary, environment, listenFd } = this.plan;
    return new Promise((resolve) => {
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
      this.#zygote = new Zygote(
        {
          binary,
          arguments: this.plan.arguments,
          environment,
          standInFd: this.#tools.standInFd,
          scoreboardFd: this.scoreboard.fd,
          listenFd,
          libraryFd: this.#tools.libraryFd,
        },
        {
          onMessage: (message) => this.#onMessage(message),
          onLine: (line) => this.#onLine(line),
          onEnd: (end) => this.#onZygoteEnd(end),
        },
      );
    });
  }

  /** Forks one worker into a free slot. */
  fork(): void {
    const slot = this.#freeSlot();
    if (this.#state !== 'running' || slot === undefined) return;
    this.#workersBySlot.set(slot, { at: 'forking' });
    this.#zygote?.fork(slot);
  }

  /** That worker ends once it is idle. */
  retire(pid: Pid): void {
    for (const [slot, state] of this.#workersBySlot) {
      if (state.at !== 'running' || state.pid !== pid || state.isLeaving) continue;
      state.isLeaving = true;
      this.#zygote?.retire(slot, pid);
    }
  }

  /** Tells once, by `onFewIdle`, when fewer workers are idle; 0: not any more. */
  arm(idleWanted: Count): void {
    if (this.#state === 'running') this.#zygote?.arm(idleWanted);
  }

  /** Every worker finishes what it has in hand; then the generation ends. */
  drain(): void {
    if (this.#state === 'running') this.#state = 'draining';
    else if (this.#state === 'starting') this.kill();
    this.#zygote?.drain();
  }

  /** Every worker dies now, whatever it has in hand, and its last output is logged. */
  killWorkers(): void {
    this.#isKilled = true;
    for (const { slot, pid } of this.workers())
      if (this.#state === 'orphaned') this.#tools.orphans.kill(pid);
      else this.#zygote?.signalWorker(slot, pid, 'SIGKILL');
    this.drain();
  }

  /** For a zygote that does not answer. */
  kill(): void {
    if (this.#state === 'starting' || this.#state === 'running') this.#state = 'draining';
    this.#zygote?.kill();
  }

  #freeSlot(): number | undefined {
    for (let slot = 0; slot < this.scoreboard.slotCount; slot++)
      if (!this.#workersBySlot.has(slot)) return slot;
    return undefined;
  }

  #onMessage(message: ZygoteMessage): void {
    switch (message.type) {
      case 'ready':
        this.#onReady(message.phpVersion, message.exposesPhp);
        break;
      case 'forked':
        this.#onForked(message.slot, message.pid);
        break;
      case 'fork failed':
        this.#expect(message.slot, 'forking');
        this.#workersBySlot.delete(message.slot);
        this.#listener.onForkFailed(`${errorReason(message.errno)} (${message.errno})`);
        break;
      case 'exited': {
        const worker = this.#expectPid(message.slot, message.pid);
        this.#onWorkerEnd(message.slot, worker, decodeWaitStatus(message.waitStatus), message.accepted);
        break;
      }
      case 'output':
        this.#expectPid(message.slot, message.pid).output[message.stream].push(message.bytes);
        break;
      case 'started':
        this.#expectPid(message.slot, message.pid).isReady = true;
        this.#listener.onWorkerReady(message.pid);
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

  #onReady(phpVersion: string, exposesPhp: boolean): void {
    if (this.phpVersion !== undefined) throw new ProtocolError('READY twice');
    this.phpVersion = phpVersion;
    this.exposesPhp = exposesPhp;
    if (this.#state !== 'starting') return;
    this.#zygote?.configure(this.plan.settings);
    this.#state = 'running';
    this.#settleStart?.();
  }

  #onForked(slot: number, pid: Pid): void {
    this.#expect(slot, 'forking');
    // Signals are sent to this number by a root process: nothing but a plausible worker may get in.
    if (pid <= 1 || pid === process.pid || this.workers().some((worker) => worker.pid === pid))
      throw new ProtocolError(`a worker with pid ${pid}`);
    const lines = (stream: OutputStream) =>
      new OutputLines((text) => this.#tools.log.output({ pool: this.plan.pool.name, pid, stream, text }));
    this.#workersBySlot.set(slot, {
      at: 'running',
      pid,
      startedAtMs: this.#tools.nowMs(),
      output: { stdout: lines('stdout'), stderr: lines('stderr') },
      isReady: false,
      isLeaving: false,
    });
    this.#listener.onWorkerStarted(pid);
  }

  #expect(slot: number, at: WorkerState['at']): void {
    if (this.#workersBySlot.get(slot)?.at !== at) throw new ProtocolError(`slot ${slot} is not ${at}`);
  }

  #expectPid(slot: number, pid: Pid): RunningWorker {
    const worker = this.#workersBySlot.get(slot);
    if (worker?.at !== 'running' || worker.pid !== pid)
      throw new ProtocolError(`slot ${slot} does not hold pid ${pid}`);
    return worker;
  }

  #onWorkerEnd(slot: number, worker: RunningWorker, status: ExitStatus | undefined, accepted: Count): void {
    worker.output.stdout.end();
    worker.output.stderr.end();
    this.#workersBySlot.delete(slot);
    const ageMs = this.#tools.nowMs() - worker.startedAtMs;
    this.#listener.onWorkerEnded({
      pid: worker.pid,
      status,
      ageMs,
      accepted,
      wasRetired: worker.isLeaving,
    });
  }

  #onLine(line: string): void {
    const { log } = this.#tools;
    const { name } = this.plan.pool;
    this.#lastLine = line;
    log.warning(`[pool ${name}] php-cgi: ${line}`, { pool: name });
  }

  #lastWords(): string {
    return this.#lastLine === '' ? '' : `; its last words: "${this.#lastLine}"`;
  }

  #onZygoteEnd(end: ZygoteEnd): void {
    const wasAskedTo = this.#state === 'draining';
    const reason = this.#endReason(end);
    this.#settleStart?.(reason);
    for (const [slot, state] of this.#workersBySlot)
      if (state.at === 'forking') this.#workersBySlot.delete(slot);
    if (this.#state === 'running') this.#listener.onZygoteLost(reason);
    else if (wasAskedTo && end.kind !== 'exited' && this.#workersBySlot.size > 0)
      this.#tools.log.warning(
        `[pool ${this.plan.pool.name}] ${reason}; its workers ${this.#isKilled ? 'are killed' : 'finish'}`,
      );
    this.#state = 'orphaned';
    for (const [slot, state] of [...this.#workersBySlot])
      if (state.at === 'running') {
        this.#tools.orphans.adopt(state.pid, (status) => {
          this.#onWorkerEnd(slot, state, status, 0);
          this.#endIfEmpty();
        });
        if (this.#isKilled) this.#tools.orphans.kill(state.pid);
      }
    this.#endIfEmpty();
  }

  #endReason(end: ZygoteEnd): string {
    const { binary } = this.plan;
    switch (end.kind) {
      case 'not started':
        return `php-cgi '${binary}' cannot be started: ${end.reason}`;
      case 'broken protocol':
        return `zygote ${this.#zygote?.pid} broke the control protocol (${end.reason}) and was killed`;
      default: {
        const when = this.phpVersion === undefined ? ' before it was ready' : '';
        return this.phpVersion === undefined
          ? `php-cgi '${binary}' exited ${exitText(end)}${when}${this.#lastWords()}`
          : `zygote ${this.#zygote?.pid} exited ${exitText(end)}${this.#lastWords()}`;
      }
    }
  }

  #endIfEmpty(): void {
    if (this.#state !== 'orphaned' || this.#workersBySlot.size > 0) return;
    this.#state = 'ended';
    this.#listener.onEnded();
    this.scoreboard.close();
  }
}
