import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import type { Count, Fd, Milliseconds, Pid } from '../units.js';
import { type Environment, zygoteEnvironment } from './environment.js';
import { exitText } from './exit-text.js';
import { type EndedWorker, Generation, type GenerationTools } from './generation.js';
import type { PoolAccount } from './identity.js';
import { definedPhpCgi, type PhpOptions, phpArguments } from './php-arguments.js';
import { checkPhpBinary, findPhpCgi } from './php-binary.js';
import type { ProcessBudget } from './process-budget.js';
import { failuresAfter, replacementDelay } from './scaling/back-off.js';
import { decideStatic } from './scaling/static.js';
import { workerSettings } from './worker-settings.js';

/** What a pool is made of, besides its settings. */
export interface PoolParts {
  readonly config: PoolConfig;
  readonly account: PoolAccount;
  readonly listenFd: Fd;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly budget: ProcessBudget;
  /** A worker is missing and `process.max` allows none. */
  readonly onBudgetSpent: () => void;
  /** A fork has succeeded. */
  readonly onForked: () => void;
}

type State = 'starting' | 'running' | 'stopping' | 'ended';

/** After a zygote was lost, or could not be started again. */
const ZYGOTE_FIRST_DELAY_MS: Milliseconds = 1000;
const ZYGOTE_LONGEST_DELAY_MS: Milliseconds = 30_000;

/** One pool: keeps as many workers as it should have, across the deaths of workers and zygotes. */
export class Pool {
  readonly config: PoolConfig;
  readonly #parts: PoolParts;
  readonly #tools: GenerationTools;
  readonly #log: MasterLog;
  readonly #generations = new Set<Generation>();
  #current: Generation | undefined;
  #generationCount: Count = 0;
  #state: State = 'starting';
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

  zygotePids(): Pid[] {
    return [...this.#generations].flatMap(({ zygotePid }) => zygotePid ?? []);
  }

  /**
   * Starts the first generation, without workers.
   *
   * @returns undefined when it is ready, else why it cannot be
   */
  async start(): Promise<string | undefined> {
    const failure = await this.#startGeneration();
    if (failure === undefined && this.#state === 'starting') this.#state = 'running';
    return failure;
  }

  /** Forks what is missing. */
  fill(): void {
    if (this.#state !== 'running' || this.#retry !== undefined || !this.#current?.isRunning) return;
    const wanted = decideStatic({
      workers: this.#current.workerCount,
      maxChildren: this.config.pmMaxChildren,
    });
    for (let i = 0; i < wanted; i++) {
      if (!this.#parts.budget.hasRoom) {
        this.#parts.onBudgetSpent();
        return;
      }
      this.#current.fork();
    }
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

  #stop(): void {
    if (this.#state !== 'ended') this.#state = 'stopping';
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #endIfEmpty(): void {
    if (this.#state !== 'stopping' || this.#generations.size > 0) return;
    this.#state = 'ended';
    this.#settleEnd();
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
    if (failure === undefined) this.#current = generation;
    return failure;
  }

  #newGeneration(): Generation {
    const { config, account, environment, php, listenFd } = this.#parts;
    const binary = findPhpCgi(config.phpCgi ?? definedPhpCgi(php), environment.PATH);
    checkPhpBinary(binary);
    const generation: Generation = new Generation(
      {
        pool: config,
        number: ++this.#generationCount,
        binary,
        arguments: phpArguments(config, php),
        environment: zygoteEnvironment(config, environment),
        settings: workerSettings(config, account, environment),
        listenFd,
      },
      this.#tools,
      {
        onWorkerStarted: (pid) => this.#onWorkerStarted(pid),
        onWorkerEnded: (worker) => this.#onWorkerEnded(worker, generation),
        onForkFailed: (reason) => this.#onForkFailed(reason),
        onZygoteLost: (reason) => this.#onZygoteLost(reason, generation),
        onEnded: () => {
          this.#generations.delete(generation);
          this.#endIfEmpty();
        },
      },
    );
    return generation;
  }

  #onWorkerStarted(pid: Pid): void {
    this.#parts.onForked();
    const message = `[pool ${this.config.name}] child ${pid} started`;
    const fields = { pool: this.config.name, pid };
    // As php-fpm: worth a notice only in place of one that died.
    if (this.#replacementsDue > 0) {
      this.#replacementsDue--;
      this.#log.notice(message, fields);
    } else this.#log.debug(message, fields);
  }

  #onWorkerEnded(worker: EndedWorker, generation: Generation): void {
    const { name } = this.config;
    const seconds = (worker.ageMs / 1000).toFixed(6);
    const message = `[pool ${name}] child ${worker.pid} exited ${exitText(worker.status)} after ${seconds} seconds from start`;
    const fields = { pool: name, pid: worker.pid };
    const isInOrder = worker.status?.kind === 'exited' && worker.status.code === 0;
    if (this.#state !== 'running' || generation !== this.#current) {
      this.#log.debug(message, fields);
      return;
    }
    if (isInOrder) this.#log.notice(message, fields);
    else this.#log.warning(message, fields);

    const end = { ageMs: worker.ageMs, isInOrder, hasServed: worker.accepted > 0 };
    this.#failures = failuresAfter(this.#failures, end);
    this.#replacementsDue++;
    this.#refillAfter(replacementDelay(this.#failures, end, Math.random()));
  }

  #refillAfter(delayMs: Milliseconds): void {
    if (this.#retry !== undefined) return;
    if (delayMs === 0) {
      this.fill();
      return;
    }
    if (delayMs >= 1000)
      this.#log.warning(
        `[pool ${this.config.name}] children end as soon as they start (${this.#failures} in a row); starting the next in ${(delayMs / 1000).toFixed(1)} s`,
        { pool: this.config.name },
      );
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.fill();
    }, delayMs);
  }

  #onForkFailed(reason: string): void {
    this.#log.error(`fork() failed: ${reason}`, { pool: this.config.name });
    if (this.#state !== 'running') return;
    this.#failures++;
    this.#refillAfter(
      replacementDelay(this.#failures + 1, { ageMs: 0, isInOrder: false, hasServed: false }, Math.random()),
    );
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
    const immediately = this.#zygoteFailures === 0;
    this.#log.error(
      `[pool ${this.config.name}] ${reason}; ${immediately ? 'starting another' : `starting another in ${delayMs / 1000} s`}`,
      { pool: this.config.name },
    );
    this.#zygoteFailures++;
    this.#retry = setTimeout(() => void this.#tryZygoteAgain(), immediately ? 0 : delayMs);
  }

  async #tryZygoteAgain(): Promise<void> {
    const failure = await this.#startGeneration();
    this.#retry = undefined;
    if (this.#state !== 'running') {
      for (const generation of this.#generations) generation.drain();
      return;
    }
    if (failure !== undefined) {
      this.#restartZygote(failure);
      return;
    }
    setTimeout(() => {
      if (this.#current?.isRunning) this.#zygoteFailures = 0;
    }, ZYGOTE_LONGEST_DELAY_MS).unref();
    this.fill();
  }
}
