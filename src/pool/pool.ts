import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import type { Arrivals } from '../os/arrivals.js';
import type { Count, Fd, Milliseconds, Pid } from '../units.js';
import { answerQuestion } from './answers.js';
import type { Question } from './control-frames.js';
import { type Environment, zygoteEnvironment } from './environment.js';
import { exitText } from './exit-text.js';
import { type EndedWorker, Generation, type GenerationTools } from './generation.js';
import type { PoolAccount } from './identity.js';
import { definedPhpCgi, type PhpOptions, phpArguments } from './php-arguments.js';
import { checkPhpBinary, findPhpCgi } from './php-binary.js';
import { PoolHistory } from './pool-history.js';
import type { ProcessBudget } from './process-budget.js';
import { Scaler } from './scaler.js';
import { failuresAfter, replacementDelay } from './scaling/back-off.js';
import { workerSettings } from './worker-settings.js';

/** What a pool is made of, besides its settings. */
export interface PoolParts {
  readonly config: PoolConfig;
  readonly account: PoolAccount;
  readonly listenFd: Fd;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly arrivals: Arrivals;
  readonly budget: ProcessBudget;
  /** A worker is missing and `process.max` allows none. */
  readonly onBudgetSpent: () => void;
  /** A worker is being forked: the next shortage is a new one. */
  readonly onFork: () => void;
}

type State = 'starting' | 'running' | 'stopping' | 'ended';

/** After a zygote was lost, or could not be started again. */
const ZYGOTE_FIRST_DELAY_MS: Milliseconds = 1000;
const ZYGOTE_LONGEST_DELAY_MS: Milliseconds = 30_000;

/** One pool: keeps as many workers as it should have, across the deaths of workers and zygotes. */
export class Pool {
  readonly config: PoolConfig;
  readonly scaler: Scaler;
  readonly history: PoolHistory;
  readonly #parts: PoolParts;
  readonly #tools: GenerationTools;
  readonly #log: MasterLog;
  readonly #generations = new Set<Generation>();
  #current: Generation | undefined;
  #generationCount: Count = 0;
  #state: State = 'starting';
  #isZygoteStarting = false;
  #failures: Count = 0;
  #zygoteFailures: Count = 0;
  #replacementsDue: Count = 0;
  #retry: NodeJS.Timeout | undefined;
  #settleEnd: () => void = () => {};
  /** When no process of the pool is left, after a stop. */
  readonly ended: Promise<void>;

  constructor(parts: PoolParts, tools: GenerationTools) {
    this.config = parts.config;
    this.#parts = parts;
    this.#tools = tools;
    this.#log = tools.log;
    this.history = new PoolHistory(Date.now());
    this.scaler = new Scaler({
      ...parts,
      log: tools.log,
      nowMs: tools.nowMs,
      generation: () => this.#current,
      mayFork: () => this.#mayFork,
      startZygote: () => void this.#startFirstZygote(),
    });
    this.ended = new Promise((resolve) => {
      this.#settleEnd = resolve;
    });
  }

  get workerCount(): Count {
    let count = 0;
    for (const generation of this.#generations) count += generation.workerCount;
    return count;
  }

  get generation(): Generation | undefined {
    return this.#current;
  }

  /** Why the pool cannot start workers at present; undefined where it can. */
  get trouble(): string | undefined {
    if (this.#state !== 'running') return this.#state;
    if (this.#zygoteFailures > 0 && this.#current === undefined) return 'its zygote cannot be started';
    if (this.#failures > 1) return 'its workers end as soon as they start';
    return undefined;
  }

  zygotePids(): Pid[] {
    return [...this.#generations].flatMap(({ zygotePid }) => zygotePid ?? []);
  }

  /**
   * Starts the first generation, without workers. One of `pm = ondemand` waits for its first client: many such pools
   * cost next to nothing. That its php-cgi can be used is made sure of all the same.
   *
   * @returns undefined when it is ready, else why it cannot be
   */
  async start(): Promise<string | undefined> {
    if (this.config.pm === 'ondemand') return this.#checkBinary();
    return this.#startGeneration();
  }

  /** From here on workers are forked and kept. */
  run(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'running';
    this.scaler.decide();
  }

  /** Every worker finishes what it has in hand. */
  drain(): void {
    this.#stop();
    for (const generation of this.#generations) generation.drain();
    this.#endIfEmpty();
  }

  /** Every worker dies now. */
  killWorkers(): void {
    this.#stop();
    for (const generation of this.#generations) generation.killWorkers();
    this.#endIfEmpty();
  }

  /** For zygotes that do not answer. */
  killZygotes(): void {
    for (const generation of this.#generations) generation.kill();
  }

  get #mayFork(): boolean {
    return (
      this.#state === 'running' &&
      this.#retry === undefined &&
      !this.#isZygoteStarting &&
      (this.#current?.isRunning ?? true)
    );
  }

  #stop(): void {
    if (this.#state !== 'ended') this.#state = 'stopping';
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.scaler.stop();
  }

  #endIfEmpty(): void {
    if (this.#state !== 'stopping' || this.#generations.size > 0) return;
    this.#state = 'ended';
    this.#settleEnd();
  }

  #findBinary(): string {
    const binary = findPhpCgi(
      this.config.phpCgi ?? definedPhpCgi(this.#parts.php),
      this.#parts.environment.PATH,
    );
    checkPhpBinary(binary);
    return binary;
  }

  #checkBinary(): string | undefined {
    try {
      this.#findBinary();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #startGeneration(): Promise<string | undefined> {
    let generation: Generation;
    try {
      generation = this.#newGeneration();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    this.#generations.add(generation);
    const failure = await generation.start();
    if (failure === undefined) {
      this.#current = generation;
      this.scaler.restart();
    }
    return failure;
  }

  #newGeneration(): Generation {
    const { config, account, environment, php, listenFd } = this.#parts;
    const generation: Generation = new Generation(
      {
        pool: config,
        number: ++this.#generationCount,
        binary: this.#findBinary(),
        arguments: phpArguments(config, php),
        environment: zygoteEnvironment(config, environment),
        settings: workerSettings(config, account, environment),
        listenFd,
      },
      this.#tools,
      {
        onWorkerStarted: (pid) => this.#onWorkerStarted(pid),
        onWorkerReady: () => this.#decideFor(generation),
        onWorkerEnded: (worker) => this.#onWorkerEnded(worker, generation),
        onFewIdle: () => {
          if (generation === this.#current) this.scaler.onFewIdle();
        },
        onAsked: (question, answer) => this.#onAsked(question, answer, generation),
        onForkFailed: (reason) => this.#onForkFailed(reason),
        onZygoteLost: (reason) => this.#onZygoteLost(reason, generation),
        onEnded: () => {
          this.history.addGeneration(generation.scoreboard);
          this.#generations.delete(generation);
          this.#endIfEmpty();
        },
      },
    );
    return generation;
  }

  #decideFor(generation: Generation): void {
    if (generation === this.#current && this.#state === 'running') this.scaler.decide();
  }

  #onAsked(question: Question, answer: (bytes: Buffer) => void, generation: Generation): void {
    answer(answerQuestion(question, this, generation));
  }

  #onWorkerStarted(pid: Pid): void {
    this.history.forks++;
    const message = `[pool ${this.config.name}] child ${pid} started`;
    const fields = { pool: this.config.name, pid };
    // As php-fpm: worth a notice only in place of one that died.
    if (this.#replacementsDue > 0) {
      this.#replacementsDue--;
      this.#log.notice(message, fields);
    } else this.#log.debug(message, fields);
  }

  #onWorkerEnded(worker: EndedWorker, generation: Generation): void {
    this.history.addDeath(worker);
    const { name } = this.config;
    const fields = { pool: name, pid: worker.pid };
    const seconds = (worker.ageMs / 1000).toFixed(6);
    const isInOrder = worker.status?.kind === 'exited' && worker.status.code === 0;
    if (worker.wasRetired && isInOrder) {
      this.#log.debug(
        `[pool ${name}] child ${worker.pid} has been killed by the process management after ${seconds} seconds from start`,
        fields,
      );
      this.#decideFor(generation);
      return;
    }
    const message = `[pool ${name}] child ${worker.pid} exited ${exitText(worker.status)} after ${seconds} seconds from start`;
    if (this.#state !== 'running' || generation !== this.#current) {
      this.#log.debug(message, fields);
      return;
    }
    if (isInOrder) this.#log.notice(message, fields);
    else this.#log.warning(message, fields);

    const end = { ageMs: worker.ageMs, isInOrder, hasServed: worker.accepted > 0 };
    this.#failures = failuresAfter(this.#failures, end);
    this.#replacementsDue++;
    this.#decideAfter(replacementDelay(this.#failures, end, Math.random()));
  }

  #decideAfter(delayMs: Milliseconds): void {
    if (this.#retry !== undefined) return;
    if (delayMs === 0) {
      this.scaler.decide();
      return;
    }
    if (delayMs >= 1000)
      this.#log.warning(
        `[pool ${this.config.name}] children end as soon as they start (${this.#failures} in a row); starting the next in ${(delayMs / 1000).toFixed(1)} s`,
        { pool: this.config.name },
      );
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.scaler.decide();
    }, delayMs);
  }

  #onForkFailed(reason: string): void {
    this.#log.error(`fork() failed: ${reason}`, { pool: this.config.name });
    if (this.#state !== 'running') return;
    this.#failures++;
    const end = { ageMs: 0, isInOrder: false, hasServed: false };
    this.#decideAfter(replacementDelay(this.#failures + 1, end, Math.random()));
  }

  /** `pm = ondemand`: the first client is there. */
  async #startFirstZygote(): Promise<void> {
    this.#isZygoteStarting = true;
    const failure = await this.#startGeneration();
    this.#isZygoteStarting = false;
    if (failure === undefined) this.#afterZygoteStart();
    else this.#restartZygote(failure);
  }

  #onZygoteLost(reason: string, generation: Generation): void {
    if (generation !== this.#current) return;
    this.#current = undefined;
    this.#restartZygote(reason);
  }

  #restartZygote(reason: string): void {
    if (this.#state !== 'running') return;
    clearTimeout(this.#retry);
    const delayMs = Math.min(ZYGOTE_FIRST_DELAY_MS * 2 ** this.#zygoteFailures, ZYGOTE_LONGEST_DELAY_MS);
    const isFirst = this.#zygoteFailures === 0;
    this.#log.error(
      `[pool ${this.config.name}] ${reason}; ${isFirst ? 'starting another' : `starting another in ${delayMs / 1000} s`}`,
      { pool: this.config.name },
    );
    this.#zygoteFailures++;
    this.#retry = setTimeout(() => void this.#tryZygoteAgain(), isFirst ? 0 : delayMs);
  }

  async #tryZygoteAgain(): Promise<void> {
    const failure = await this.#startGeneration();
    this.#retry = undefined;
    if (failure === undefined) this.#afterZygoteStart();
    else this.#restartZygote(failure);
  }

  #afterZygoteStart(): void {
    if (this.#state !== 'running') {
      for (const generation of this.#generations) generation.drain();
      return;
    }
    setTimeout(() => {
      if (this.#current?.isRunning) this.#zygoteFailures = 0;
    }, ZYGOTE_LONGEST_DELAY_MS).unref();
    this.scaler.decide();
  }
}
