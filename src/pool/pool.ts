import { isDeepStrictEqual } from 'node:util';
import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import type { Arrivals } from '../os/arrivals.js';
import { failureText } from '../os/libc.js';
import type { Count, Fd, Milliseconds, Pid, Seconds } from '../units.js';
import { MemoryWatch } from '../watch/memory-watch.js';
import { lostRequestText } from '../watch/request-words.js';
import type { Question } from '../zygote/control-frames.js';
import { zygoteEnvironment } from '../zygote/environment.js';
import { exitText } from '../zygote/exit-text.js';
import { definedPhpCgi, type PhpOptions, phpArguments } from '../zygote/php-arguments.js';
import { checkPhpBinary, findPhpCgi } from '../zygote/php-binary.js';
import { askBuiltIn, StartLines } from '../zygote/start-lines.js';
import { type WorkerPlan, workerSettings } from '../zygote/worker-settings.js';
import { CrashCounter, isCrash } from './crashes.js';
import { ForkRefusals } from './fork-refusals.js';
import { type EndedWorker, Generation, type GenerationTools } from './generation.js';
import type { ZygoteHandle } from './hand-over.js';
import { PoolHistory } from './history.js';
import type { ProcessBudget } from './process-budget.js';
import { Scaler } from './scaler.js';
import { failuresAfter, replacementDelay } from './scaling/back-off.js';

/** What a reload may change of a pool. */
export interface PoolPlan extends WorkerPlan {
  readonly listenFd: Fd;
  readonly php: PhpOptions;
  /** Worker crashes within so many seconds that renew the pool; 0 is off. */
  readonly emergency: { readonly threshold: Count; readonly intervalS: Seconds };
  /** `process_control_timeout`: how long workers that are replaced may take; 0 is no bound. */
  readonly drainBoundMs: Milliseconds;
}

/** What a pool is made of. */
export interface PoolParts extends PoolPlan {
  readonly arrivals: Arrivals;
  readonly budget: ProcessBudget;
  /** What a worker is told that asks for a page of the pool, or for fpm_get_status(). */
  readonly answer: (question: Question, pool: Pool, generation: Generation) => Buffer;
  /** A worker has ended in order, and nobody asked it to: its listening socket may be dead. */
  readonly onWorkerLeft: () => void;
}

/** Another generation that waits to take over. */
export interface PreparedPool {
  /** @returns when it serves and the old one drains */
  commit(): Promise<void>;
  abandon(): void;
}

type State = 'starting' | 'running' | 'stopping' | 'ended';

/** A proven generation's first worker is there in milliseconds; the old one goes after this at the latest. */
const FIRST_WORKER_PATIENCE_MS: Milliseconds = 10_000;
/** A worker that was started after others had failed, and lives so long, is no failure. */
const TRUSTED_AFTER_MS: Milliseconds = 1000;
/** After a zygote was lost, or could not be started again. */
const ZYGOTE_FIRST_DELAY_MS: Milliseconds = 1000;
const ZYGOTE_LONGEST_DELAY_MS: Milliseconds = 30_000;
/** What an exception that nobody foresaw came to; the master tells it whole. */
const OUR_MISTAKE = 'internal error';

/** One pool: keeps as many workers as it should have, across the deaths of workers and zygotes. */
export class Pool {
  #parts: PoolParts;
  #scaler: Scaler;
  #history: PoolHistory;
  readonly #tools: GenerationTools;
  readonly #log: MasterLog;
  readonly #generations = new Set<Generation>();
  #current: Generation | undefined;
  #generationCount: Count = 0;
  #crashes: CrashCounter;
  readonly #memoryWatch: MemoryWatch;
  readonly #startLines: StartLines;
  /** What the master does not see of the workers, as it was told. */
  readonly #blindLines = new Set<string>();
  /** Reloads and emergency restarts so far: what was begun before one of them is out of date after it. */
  #replacements: Count = 0;
  #state: State = 'starting';
  #isRenewing = false;
  #isZygoteStarting = false;
  #hasDeadSocket = false;
  #failures: Count = 0;
  readonly #refusals = new ForkRefusals();
  #zygoteFailures: Count = 0;
  #replacementsDue: Count = 0;
  #retry: NodeJS.Timeout | undefined;
  #retriedAtMs: Milliseconds = Number.NEGATIVE_INFINITY;
  #onFirstReady: () => void = () => {};
  #settleEnd: () => void = () => {};
  /** When no process of the pool is left, after a stop. */
  readonly ended: Promise<void>;

  constructor(parts: PoolParts, tools: GenerationTools) {
    this.#parts = parts;
    this.#tools = tools;
    this.#log = tools.log;
    this.#history = new PoolHistory(Date.now());
    this.#scaler = this.#newScaler();
    this.#crashes = new CrashCounter(parts.emergency);
    this.#startLines = new StartLines(parts.config.name, tools.log, askBuiltIn(parts.environment));
    this.#memoryWatch = new MemoryWatch({
      log: tools.log,
      nowMs: tools.nowMs,
      generations: () => [...this.#generations],
      current: () => this.#current,
      onRetired: () => this.#scaler.decide(),
    });
    this.ended = new Promise((resolve) => {
      this.#settleEnd = resolve;
    });
  }

  get config(): PoolConfig {
    return this.#parts.config;
  }

  get plan(): PoolPlan {
    return this.#parts;
  }

  get scaler(): Scaler {
    return this.#scaler;
  }

  get history(): PoolHistory {
    return this.#history;
  }

  /** Of the generation that serves; one that drains makes room. */
  get workerCount(): Count {
    return this.#current?.workerCount ?? 0;
  }

  get generation(): Generation | undefined {
    return this.#current;
  }

  /** Why the pool cannot start workers at present; undefined where it can. */
  get trouble(): string | undefined {
    if (this.#state !== 'running') return this.#state;
    if (this.#zygoteFailures > 0 && this.#current === undefined) return 'its zygote cannot be started';
    if (this.#hasDeadSocket) return 'its listening socket was shut down';
    if (this.#refusals.reason !== undefined && this.#mayFailAgain)
      return `fork() failed: ${this.#refusals.reason}`;
    if (this.#failures > 1 && this.#mayFailAgain) return 'its workers end as soon as they start';
    return undefined;
  }

  /** The one that serves, and older ones that still finish something. */
  generations(): Generation[] {
    return [...this.#generations];
  }

  /** Of the generation that serves, or served last, from 1. */
  get generationNumber(): Count {
    return this.#current?.plan.number ?? this.#generationCount;
  }

  /** Workers of older generations that still finish something. */
  get drainingCount(): Count {
    return [...this.#generations]
      .filter((generation) => generation !== this.#current)
      .reduce((sum, { workerCount }) => sum + workerCount, 0);
  }

  /** All zygotes, for a master that comes after this one in the same process. */
  zygotes(): ZygoteHandle[] {
    return [...this.#generations].flatMap(({ zygote }) => zygote ?? []);
  }

  /**
   * Starts the first generation, without workers. One of `pm = ondemand` waits for its first client: many such pools
   * cost next to nothing. That its php-cgi can be used is made sure of all the same.
   *
   * @returns undefined when it is ready, else why it cannot be
   */
  async start(): Promise<string | undefined> {
    if (this.config.pm === 'ondemand') return this.#checkBinary(this.#parts);
    return this.#startCurrent();
  }

  /** From here on workers are forked and kept. */
  run(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'running';
    this.#scaler.decide();
  }

  /** A new generation would be the same but for its fresh opcache. */
  isUnchangedBy(plan: PoolPlan): boolean {
    const { config, account, listenFd, php, logLevel } = this.#parts;
    return (
      isDeepStrictEqual(
        { config, account, listenFd, php, logLevel },
        {
          config: plan.config,
          account: plan.account,
          listenFd: plan.listenFd,
          php: plan.php,
          logLevel: plan.logLevel,
        },
      ) &&
      (this.#current?.isUpToDate ?? config.pm === 'ondemand')
    );
  }

  /**
   * Another generation beside the present one, with other settings or the same: started, and proven to answer, while
   * the present one serves. A pool of `pm = ondemand` that has no zygote has nothing to prove but its php-cgi.
   *
   * @returns what to do with it, or why it cannot be
   */
  async prepare(plan: PoolPlan): Promise<PreparedPool | string> {
    if (this.#state === 'stopping' || this.#state === 'ended') return 'it is being stopped';
    const parts = { ...this.#parts, ...plan };
    if (plan.config.pm === 'ondemand' && this.#current === undefined) {
      const failure = this.#checkBinary(parts);
      return failure ?? { commit: () => this.#replace(parts, undefined), abandon: () => {} };
    }
    const generation = await this.#startGeneration(parts, true);
    if (typeof generation === 'string') return generation;
    let failure: string | undefined = 'it cannot be proven';
    try {
      failure = await generation.prove();
    } finally {
      if (failure !== undefined) generation.drain();
    }
    return failure ?? { commit: () => this.#replace(parts, generation), abandon: () => generation.drain() };
  }

  /** Every worker finishes what it has in hand. */
  drain(): void {
    this.#stop();
    for (const generation of this.#generations) generation.drain();
    this.#endIfEmpty();
  }

  /** Out of the configuration: as {@link drain}, and `process_control_timeout` bounds it; 0 is none. */
  leave(drainBoundMs: Milliseconds): void {
    this.drain();
    this.#scaler.letGoOfSocket(); // its workers may ask for pages as long as they are there
    for (const generation of this.#generations) this.#boundDrain(generation, drainBoundMs);
  }

  /** Its listening socket takes no clients any more: a worker would end as soon as it starts, and none is forked. */
  get hasDeadSocket(): boolean {
    return this.#hasDeadSocket;
  }

  /** The socket is dead, or that very one takes clients again. */
  setDeadSocket(isDead: boolean): void {
    if (isDead === this.#hasDeadSocket) return;
    this.#hasDeadSocket = isDead;
    if (isDead || !this.#current?.isRunning || this.#state !== 'running') return;
    // What kept workers from staying is mended.
    this.#failures = 0;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#scaler.decide();
  }

  /**
   * To another socket at the same address, by a new generation: workers of the present one hold a dead socket.
   *
   * @returns why that cannot be; undefined where it is done, or a reload or a stop has come before it
   */
  moveTo(listenFd: Fd): Promise<string | undefined> {
    return this.#renew({ ...this.#parts, listenFd });
  }

  /** Settings that need no new generation. */
  adopt({ emergency, drainBoundMs }: Pick<PoolPlan, 'emergency' | 'drainBoundMs'>): void {
    const isOther = !isDeepStrictEqual(emergency, this.#parts.emergency);
    this.#parts = { ...this.#parts, emergency, drainBoundMs };
    if (isOther) this.#crashes = new CrashCounter(emergency);
  }

  /** Every worker dies now. */
  killWorkers(): void {
    this.#stop();
    for (const generation of this.#generations) generation.killWorkers();
    this.#endIfEmpty();
  }

  /** Access log: what has ended so far is on its way to the file. */
  flushRequestLogs(): void {
    for (const generation of this.#generations) generation.flushRequestLog();
  }

  /** For zygotes that do not answer. */
  killZygotes(): void {
    for (const generation of this.#generations) generation.kill();
  }

  /** The next start is waited for, or too young to say that it did not fail. */
  get #mayFailAgain(): boolean {
    return this.#retry !== undefined || this.#tools.nowMs() - this.#retriedAtMs < TRUSTED_AFTER_MS;
  }

  get #mayFork(): boolean {
    return (
      this.#state === 'running' &&
      this.#retry === undefined &&
      !this.#isZygoteStarting &&
      !this.#hasDeadSocket &&
      (this.#current?.isRunning ?? true)
    );
  }

  #stop(): void {
    if (this.#state !== 'ended') this.#state = 'stopping';
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#scaler.stop();
    this.#onFirstReady(); // nobody will be
  }

  #endIfEmpty(): void {
    if (this.#state !== 'stopping' || this.#generations.size > 0) return;
    this.#state = 'ended';
    this.#settleEnd();
  }

  #newScaler(): Scaler {
    return new Scaler({
      ...this.#parts,
      log: this.#log,
      nowMs: this.#tools.nowMs,
      generation: () => this.#current,
      mayFork: () => this.#mayFork,
      startZygote: () => void this.#startFirstZygote(),
    });
  }

  /** From one generation to the next: the old one drains once a worker of the new one serves. */
  async #replace(parts: PoolParts, next: Generation | undefined): Promise<void> {
    if (next !== undefined && !next.isRunning) {
      // Its zygote has died since it was proven: the one that serves goes on, with the new settings at the next reload.
      this.#log.error(
        `[pool ${parts.config.name}] the new generation has ended before it served; the old one stays`,
        {
          pool: parts.config.name,
        },
      );
      return;
    }
    if (this.#state === 'starting') this.#state = 'running';
    this.#replacements++;
    const old = this.#current;
    this.#scaler.stop();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#parts = parts;
    this.#history = new PoolHistory(Date.now());
    this.#crashes = new CrashCounter(parts.emergency);
    this.#failures = this.#zygoteFailures = this.#replacementsDue = 0;
    this.#hasDeadSocket = false;
    this.#current = next;
    this.#scaler = this.#newScaler();
    this.#scaler.decide();
    if (next !== undefined && next.workerCount > 0) await this.#untilServing(next);
    if (old === undefined) return;
    this.#drainOld(old);
    // Whoever waits for the reload expects the next request to be served by what is new.
    await old.untilNobodyAccepts();
  }

  #untilServing(generation: Generation): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, FIRST_WORKER_PATIENCE_MS);
      this.#onFirstReady = () => {
        if (this.#state === 'running' && !generation.workers().some(({ isReady }) => isReady)) return;
        clearTimeout(timer);
        this.#onFirstReady = () => {};
        resolve();
      };
      this.#onFirstReady();
    });
  }

  #drainOld(old: Generation): void {
    old.drain();
    this.#boundDrain(old, this.#parts.drainBoundMs);
  }

  #boundDrain(old: Generation, boundMs: Milliseconds): void {
    if (boundMs === 0) return;
    setTimeout(() => {
      if (!this.#generations.has(old)) return;
      this.#log.warning(
        `[pool ${this.config.name}] ${old.workerCount} child(ren) of the old generation still busy after ${boundMs / 1000} s; killing them`,
        { pool: this.config.name },
      );
      old.killWorkers();
    }, boundMs).unref();
  }

  #findBinary({ config, php, environment }: PoolPlan): string {
    const binary = findPhpCgi(config.phpCgi ?? definedPhpCgi(php), environment.PATH);
    checkPhpBinary(binary);
    return binary;
  }

  #checkBinary(plan: PoolPlan): string | undefined {
    try {
      this.#findBinary(plan);
      return undefined;
    } catch (error) {
      return failureText(error);
    }
  }

  /** The generation that serves from now on, or why there is none; where a reload came meanwhile, that one's serves. */
  async #startCurrent(): Promise<string | undefined> {
    const replacements = this.#replacements;
    const generation = await this.#startGeneration(this.#parts, false);
    if (replacements !== this.#replacements) {
      if (typeof generation !== 'string') generation.drain();
      return undefined;
    }
    if (typeof generation === 'string') return generation;
    this.#current = generation;
    this.#scaler.restart();
    return undefined;
  }

  /** @returns it when its zygote is ready, or why that never will be */
  async #startGeneration(plan: PoolPlan, isToProve: boolean): Promise<Generation | string> {
    let generation: Generation;
    try {
      generation = this.#newGeneration(plan, isToProve);
    } catch (error) {
      return failureText(error);
    }
    this.#generations.add(generation);
    this.#memoryWatch.update();
    return (await generation.start()) ?? generation;
  }

  #newGeneration(plan: PoolPlan, isToProve: boolean): Generation {
    const { config, environment, php, listenFd } = plan;
    const generation: Generation = new Generation(
      {
        pool: config,
        number: ++this.#generationCount,
        binary: this.#findBinary(plan),
        arguments: phpArguments(config, php),
        environment: zygoteEnvironment(config, environment),
        settings: workerSettings(plan),
        listenFd,
        isToProve,
      },
      this.#tools,
      {
        onWorkerStarted: (pid) => this.#onWorkerStarted(pid),
        onWorkerReady: () => {
          this.#onFirstReady();
          this.#decideFor(generation);
        },
        onWorkerEnded: (worker) => this.#onWorkerEnded(worker, generation),
        onStartLine: (line) => this.#startLines.tell(line, generation.plan.binary),
        onBlind: (line) => this.#tellBlind(line),
        onSlowRequest: () => {
          // A pool that was renewed counts from its renewal.
          if (generation === this.#current) this.#history.slowRequests++;
        },
        onFewIdle: () => {
          if (generation === this.#current) this.#scaler.onFewIdle();
        },
        onAsked: (question, answer) => this.#onAsked(question, answer, generation),
        onForkFailed: (reason) => this.#onForkFailed(reason),
        onZygoteLost: (reason) => this.#onZygoteLost(reason, generation),
        onEnded: () => {
          if (generation === this.#current || this.#current === undefined)
            this.#history.addGeneration(generation.scoreboard);
          if (generation === this.#current) this.#current = undefined;
          this.#generations.delete(generation);
          this.#memoryWatch.update();
          this.#endIfEmpty();
        },
      },
    );
    return generation;
  }

  #decideFor(generation: Generation): void {
    if (generation === this.#current && this.#state === 'running') this.#scaler.decide();
  }

  #onAsked(question: Question, answer: (bytes: Buffer) => void, generation: Generation): void {
    answer(this.#parts.answer(question, this, generation));
  }

  /** The machine is the same after a reload: each line is told once. */
  #tellBlind(line: string): void {
    if (this.#blindLines.has(line)) return;
    this.#blindLines.add(line);
    const { name } = this.config;
    this.#log.warning(`[pool ${name}] ${line}`, { pool: name });
  }

  #onWorkerStarted(pid: Pid): void {
    this.#history.forks++;
    this.#refusals.onForked();
    const message = `[pool ${this.config.name}] child ${pid} started`;
    const fields = { pool: this.config.name, pid };
    // As php-fpm: worth a notice only in place of one that died.
    if (this.#replacementsDue > 0) {
      this.#replacementsDue--;
      this.#log.notice(message, fields);
    } else this.#log.debug(message, fields);
  }

  #onWorkerEnded(worker: EndedWorker, generation: Generation): void {
    this.#history.addDeath(worker);
    const { name } = this.config;
    const fields = { pool: name, pid: worker.pid };
    const seconds = (worker.ageMs / 1000).toFixed(6);
    const isInOrder = worker.status?.kind === 'exited' && worker.status.code === 0;
    if (worker.wasRetired && (isInOrder || worker.wasOverdue)) {
      this.#log.debug(
        `[pool ${name}] child ${worker.pid} has been killed by the process management after ${seconds} seconds from start`,
        fields,
      );
      this.#decideFor(generation);
      return;
    }
    // Of a request that timed out all has been told.
    const lost =
      isInOrder || worker.wasTimedOut ? '' : lostRequestText(generation.scoreboard.snapshot(worker.slot));
    const why = worker.wasTimedOut ? ', its request had timed out' : '';
    const message = `[pool ${name}] child ${worker.pid} exited ${exitText(worker.status)} after ${seconds} seconds from start${lost}${why}`;
    if (this.#state !== 'running' || generation !== this.#current) {
      this.#log.debug(message, fields);
      return;
    }
    if (isInOrder) this.#log.notice(message, fields);
    else this.#log.warning(message, fields);
    if (isInOrder) this.#parts.onWorkerLeft();

    const end = {
      ageMs: worker.ageMs,
      isInOrder: isInOrder || worker.wasTimedOut,
      hasServed: worker.accepted > 0 || worker.wasTimedOut,
    };
    this.#failures = failuresAfter(this.#failures, end);
    this.#replacementsDue++;
    if (!worker.wasTimedOut && isCrash(worker.status) && this.#crashes.add(this.#tools.nowMs()))
      void this.#renewInEmergency();
    this.#decideAfter(replacementDelay(this.#failures, end, Math.random()));
  }

  #decideAfter(delayMs: Milliseconds): void {
    if (this.#retry !== undefined) return;
    if (delayMs === 0) {
      this.#scaler.decide();
      return;
    }
    if (delayMs >= 1000)
      this.#log.warning(
        `[pool ${this.config.name}] children end as soon as they start (${this.#failures} in a row); starting the next in ${(delayMs / 1000).toFixed(1)} s`,
        { pool: this.config.name },
      );
    this.#decideIn(delayMs);
  }

  #decideIn(delayMs: Milliseconds): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#retriedAtMs = this.#tools.nowMs();
      this.#scaler.decide();
    }, delayMs);
  }

  #onForkFailed(reason: string): void {
    const { name } = this.config;
    if (this.#refusals.onRefused(reason, this.#tools.nowMs()))
      this.#log.error(`[pool ${name}] fork() failed: ${reason}`, { pool: name });
    if (this.#state === 'running' && this.#retry === undefined)
      this.#decideIn(this.#refusals.nextDelay(Math.random()));
  }

  /** `pm = ondemand`: the first client is there. */
  async #startFirstZygote(): Promise<void> {
    this.#isZygoteStarting = true;
    let failure: string | undefined = OUR_MISTAKE;
    try {
      failure = await this.#startCurrent();
    } finally {
      this.#isZygoteStarting = false;
      this.#afterZygoteStart(failure);
    }
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
    const replacements = this.#replacements;
    let failure: string | undefined = OUR_MISTAKE;
    try {
      failure = await this.#startCurrent();
    } finally {
      if (replacements === this.#replacements) {
        this.#retry = undefined; // otherwise it is another's
        this.#afterZygoteStart(failure);
      }
    }
  }

  #afterZygoteStart(failure: string | undefined): void {
    if (failure !== undefined) {
      this.#restartZygote(failure);
      return;
    }
    if (this.#state !== 'running') {
      for (const generation of this.#generations) generation.drain();
      return;
    }
    setTimeout(() => {
      if (this.#current?.isRunning) this.#zygoteFailures = 0;
    }, ZYGOTE_LONGEST_DELAY_MS).unref();
    this.#scaler.decide();
  }

  /** `emergency_restart_threshold`: a fresh opcache for this pool; the others are not concerned. */
  async #renewInEmergency(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const { threshold, intervalS } = this.#parts.emergency;
    this.#log.warning(
      `failed processes threshold (${threshold} in ${intervalS} sec) is reached, initiating reload of pool ${this.config.name}`,
      { pool: this.config.name },
    );
    let failure: string | undefined;
    try {
      failure = await this.#renew(this.#parts);
    } finally {
      this.#isRenewing = false;
    }
    if (failure !== undefined) this.#log.error(`[pool ${this.config.name}] ${failure}; it stays as it is`);
  }

  /** @returns why that cannot be; undefined where it is done, or a reload or a stop has come before it */
  async #renew(plan: PoolPlan): Promise<string | undefined> {
    const replacements = this.#replacements;
    const prepared = await this.prepare(plan);
    const isWanted = this.#state === 'running' && replacements === this.#replacements;
    if (typeof prepared === 'string') return isWanted ? prepared : undefined;
    if (isWanted) await prepared.commit();
    else prepared.abandon();
    return undefined;
  }
}
