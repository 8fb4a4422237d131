import { isDeepStrictEqual } from 'node:util';
import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import type { Arrivals } from '../os/arrivals.js';
import { failureText } from '../os/libc.js';
import type { PageQuestion } from '../overload/page-question.js';
import { QueueGuard } from '../overload/queue-guard.js';
import type { Count, Fd, Milliseconds, Pid } from '../units.js';
import { MemoryWatch } from '../watch/memory-watch.js';
import { lostRequestText } from '../watch/request-words.js';
import type { Question } from '../zygote/control-frames.js';
import { askBuiltIn, StartLines } from '../zygote/start-lines.js';
import { EmergencyRestart } from './emergency.js';
import { FirstWorker } from './first-worker.js';
import type { Generation, GenerationListener, GenerationTools } from './generation.js';
import type { ZygoteHandle } from './hand-over.js';
import { PoolHistory } from './history.js';
import { KeptConnections } from './kept-connections.js';
import { isSameForWorkers, type PoolPlan } from './plan.js';
import type { ProcessBudget } from './process-budget.js';
import { Retries } from './retries.js';
import { Scaler } from './scaler.js';
import { type GenerationSource, PHP_CGI, prove } from './start-generation.js';
import { WarmUp } from './warm-up.js';
import { endText, hasEndedAsTold, hasEndedInOrder, toldEndText, unexpectedEnd } from './worker-end.js';
import type { EndedWorker } from './worker-table.js';

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

/** One pool: keeps as many workers as it should have, across the deaths of workers and zygotes. */
export class Pool {
  #parts: PoolParts;
  #scaler: Scaler;
  #history: PoolHistory;
  readonly #source: GenerationSource;
  readonly #tools: GenerationTools;
  readonly #log: MasterLog;
  readonly #generations = new Set<Generation>();
  #current: Generation | undefined;
  /** Those whose numbers go to the present history once they have ended. */
  readonly #counted = new Set<Generation>();
  #generationCount: Count = 0;
  readonly #emergency: EmergencyRestart;
  readonly #memoryWatch: MemoryWatch;
  readonly #queueGuard: QueueGuard;
  readonly #startLines: StartLines;
  /** What the master does not see of the workers, as it was told. */
  readonly #blindLines = new Set<string>();
  /** Reloads and emergency restarts so far: what was begun before one of them is out of date after it. */
  #replacements: Count = 0;
  #state: State = 'starting';
  readonly #retries: Retries;
  readonly #firstWorker = new FirstWorker();
  readonly #kept: KeptConnections;
  readonly #warmUp: WarmUp;
  #settleEnd: () => void = () => {};
  /** When no process of the pool is left, after a stop. */
  readonly ended: Promise<void>;

  constructor(parts: PoolParts, tools: GenerationTools, source = PHP_CGI) {
    this.#parts = parts;
    this.#source = source;
    this.#tools = tools;
    this.#log = tools.log;
    this.#history = new PoolHistory(Date.now());
    this.#warmUp = new WarmUp(tools.nowMs);
    this.#queueGuard = new QueueGuard({
      pool: parts.config.name,
      log: tools.log,
      nowMs: tools.nowMs,
      page: (question) => this.#page(question),
      onRefused: (reason) => this.#history.refused[reason]++,
      onGone: () => this.#history.gone++,
    });
    this.#queueGuard.adopt(parts.config, parts.listenFd);
    this.#kept = new KeptConnections({
      pool: parts.config.name,
      log: tools.log,
      nowMs: tools.nowMs,
      generations: () => this.#generations,
      onKeeper: () => this.#scaler.onKeeper(),
    });
    this.#scaler = this.#newScaler();
    this.#retries = new Retries({
      tell: (level, text) => this.#tell(level, text),
      nowMs: tools.nowMs,
      isPoolRunning: () => this.#state === 'running',
      generation: () => this.#current,
      replacements: () => this.#replacements,
      startGeneration: () => this.#startCurrent(),
      onMayFork: () => this.#onMayFork(),
    });
    this.#emergency = new EmergencyRestart(parts.emergency, {
      pool: parts.config.name,
      log: tools.log,
      nowMs: tools.nowMs,
      renew: () => {
        tools.zygoteStarts.distrust(this);
        return this.#renew(this.#parts);
      },
    });
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

  get kept(): KeptConnections {
    return this.#kept;
  }

  get history(): PoolHistory {
    return this.#history;
  }

  /** Workers of the generation that serves; one that drains makes room. */
  get workerCount(): Count {
    return this.#current?.workerCount ?? 0;
  }

  get generation(): Generation | undefined {
    return this.#current;
  }

  /** Why the pool cannot start workers at present; undefined where it can. */
  get trouble(): string | undefined {
    return this.#state === 'running' ? this.#retries.trouble : this.#state;
  }

  /** The generation that serves, and older ones that still finish something. */
  generations(): Generation[] {
    return [...this.#generations];
  }

  /** The number of the generation that serves, or served last; from 1. */
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
    if (this.config.pm === 'ondemand') return this.#source.check(this.#parts);
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
    const isUpToDate = this.#current?.isUpToDate ?? this.config.pm === 'ondemand';
    return isUpToDate && isSameForWorkers(this.#parts, plan);
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
      const failure = this.#source.check(parts);
      return failure ?? { commit: () => this.#replace(parts, undefined), abandon: () => {} };
    }
    const generation = await this.#startGeneration(parts, true);
    if (typeof generation === 'string') return generation;
    const failure = await prove(generation);
    if (failure !== undefined) return failure;
    await this.#warm(generation, parts.config);
    return { commit: () => this.#replace(parts, generation), abandon: () => generation.drain() };
  }

  async #warm(next: Generation, { opcacheWarmup }: PoolConfig): Promise<void> {
    const warmth = await this.#warmUp.run(next, this.#current, opcacheWarmup);
    if (warmth !== undefined)
      this.#tell('debug', `${warmth.scripts} scripts compiled in advance in ${Math.round(warmth.tookMs)} ms`);
  }

  /** Every worker finishes what it has in hand; kept connections whose next request has arrived are served before. */
  drain(): void {
    this.#stop();
    if (this.#kept.hasKeeper) void this.#kept.finish().then(() => this.#drainAll());
    else this.#drainAll();
  }

  #drainAll(): void {
    for (const generation of this.#generations) generation.drain();
    this.#endIfEmpty();
  }

  /** For a program that comes after this one: see {@link KeptConnections.finish}. */
  finishKeeping(): Promise<void> {
    return this.#kept.finish();
  }

  /** Where none came. */
  resumeKeeping(): void {
    this.#kept.resume();
  }

  /** For a pool that leaves the configuration: {@link drain}, bounded by `process_control_timeout`; 0 is no bound. */
  leave(drainBoundMs: Milliseconds): void {
    this.drain();
    this.#scaler.letGoOfSocket(); // its workers may ask for pages as long as they are there
    for (const generation of this.#generations) this.#boundDrain(generation, drainBoundMs);
  }

  /** The listening socket takes no clients any more: a worker would end as soon as it starts, and none is forked. */
  get hasDeadSocket(): boolean {
    return this.#retries.hasDeadSocket;
  }

  /** The listening socket is dead, or takes clients again. */
  setDeadSocket(isDead: boolean): void {
    if (!this.#retries.onSocket({ isDead })) return;
    if (isDead || !this.#current?.isRunning || this.#state !== 'running') return;
    this.#retries.onCauseMended();
    this.#scaler.decide();
  }

  /**
   * Goes over to another socket at the same address, by a new generation: workers of the present one hold a dead
   * socket.
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
    if (isOther) this.#emergency.restart(emergency);
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

  /** Kills the zygotes: for those that do not answer. */
  killZygotes(): void {
    for (const generation of this.#generations) generation.kill();
  }

  get #mayFork(): boolean {
    return (
      this.#state === 'running' &&
      !this.#retries.isWaiting &&
      !this.hasDeadSocket &&
      (this.#current?.isRunning ?? true)
    );
  }

  #stop(): void {
    if (this.#state !== 'ended') this.#state = 'stopping';
    this.#retries.stop();
    this.#scaler.stop();
    this.#queueGuard.stop();
    this.#firstWorker.check(); // nobody will be ready
  }

  #endIfEmpty(): void {
    if (this.#state !== 'stopping' || this.#generations.size > 0) return;
    this.#state = 'ended';
    this.#tools.zygoteStarts.forget(this);
    void this.#kept.end().then(this.#settleEnd);
  }

  #newScaler(): Scaler {
    return new Scaler({
      ...this.#parts,
      log: this.#log,
      nowMs: this.#tools.nowMs,
      generation: () => this.#current,
      kept: this.#kept,
      mayFork: () => this.#mayFork,
      startZygote: () => void this.#retries.startFirstZygote(),
      endZygote: () => this.#endIdleZygote(),
      queueGuard: this.#queueGuard,
    });
  }

  /** A page for a client whom no worker has served in time. */
  #page(question: PageQuestion): Buffer | undefined {
    const generation = this.#current;
    return generation && this.#parts.answer({ ...question, id: 0 }, this, generation);
  }

  /** Goes over from one generation to the next: the old one drains once a worker of the new one serves. */
  async #replace(parts: PoolParts, next: Generation | undefined): Promise<void> {
    if (next !== undefined && !next.isRunning) {
      // The new zygote has died since it was proven: the present generation goes on; the next reload tries again.
      this.#tell('error', 'the new generation has ended before it served; the old one stays');
      return;
    }
    if (this.#state === 'starting') this.#state = 'running';
    this.#replacements++;
    const old = this.#current;
    this.#scaler.stop();
    this.#retries.onReplaced();
    this.#parts = parts;
    this.#history = new PoolHistory(Date.now());
    this.#counted.clear();
    this.#emergency.restart(parts.emergency);
    this.#queueGuard.adopt(parts.config, parts.listenFd);
    this.#current = next;
    if (next !== undefined) this.#counted.add(next);
    this.#scaler = this.#newScaler();
    const keeping = next && this.#kept.serve(next, parts.account.identity);
    this.#scaler.decide();
    if (next !== undefined && next.workerCount > 0)
      await this.#firstWorker.of(next, () => this.#state === 'running');
    if (old === undefined) return;
    await keeping;
    old.drain();
    this.#boundDrain(old, this.#parts.drainBoundMs);
    // A caller who waits for the reload expects the next request to be served by the new generation.
    await old.untilNobodyAccepts();
  }

  /** `process_control_timeout`; 0 is no bound. */
  #boundDrain(old: Generation, boundMs: Milliseconds): void {
    if (boundMs === 0) return;
    setTimeout(() => {
      if (!this.#generations.has(old)) return;
      this.#tell(
        'warning',
        `${old.workerCount} child(ren) of the old generation still busy after ${boundMs / 1000} s; killing them`,
      );
      old.killWorkers();
    }, boundMs).unref();
  }

  /** @returns why there is none that serves from now on; where a reload came meanwhile, its generation does */
  async #startCurrent(): Promise<string | undefined> {
    const replacements = this.#replacements;
    const generation = await this.#startGeneration(this.#parts, false);
    if (replacements !== this.#replacements) {
      if (typeof generation !== 'string') generation.drain();
      return undefined;
    }
    if (typeof generation === 'string') return generation;
    this.#current = generation;
    this.#counted.add(generation);
    void this.#kept.serve(generation, this.#parts.account.identity);
    this.#scaler.restart();
    return undefined;
  }

  /** `pm.zygote_idle_timeout`: the pool is as before its first client, but for what it has counted. */
  #endIdleZygote(): void {
    const idle = this.#current;
    if (idle === undefined) return;
    const { pmZygoteIdleTimeout: timeout } = this.config;
    this.#tell('debug', `zygote ${idle.zygotePid} ends after ${timeout} seconds without a child`);
    this.#current = undefined;
    this.#addToHistory(idle); // there is no worker that could still count, and pages must not show less meanwhile
    this.#retries.onZygoteEnded();
    idle.drain();
  }

  #addToHistory(generation: Generation): void {
    if (this.#counted.delete(generation)) this.#history.addGeneration(generation.scoreboard);
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
    const order = { pool: this, plan, number: ++this.#generationCount, isToProve };
    const generation: Generation = this.#source.create(
      order,
      this.#tools,
      this.#listener(() => generation),
    );
    return generation;
  }

  #listener(itself: () => Generation): GenerationListener {
    const isCurrent = () => itself() === this.#current;
    return {
      onWorkerStarted: (pid) => this.#onWorkerStarted(pid),
      onWorkerReady: () => {
        this.#firstWorker.check();
        if (isCurrent() && this.#state === 'running') this.#scaler.decide();
      },
      onWorkerEnded: (worker) => this.#onWorkerEnded(worker, itself()),
      onStartLine: (line) => this.#startLines.tell(line, itself().plan.binary),
      onBlind: (line) => this.#tellBlind(line),
      onSlowRequest: () => {
        // A pool that was renewed counts from its renewal.
        if (isCurrent()) this.#history.slowRequests++;
      },
      onFewIdle: () => {
        if (isCurrent()) this.#scaler.onFewIdle();
      },
      onKeeperWanted: () => {
        // One that drains hands over nothing that it has not handed over before.
        if (isCurrent() && this.#state === 'running') this.#kept.want();
      },
      onAsked: (question, answer) => answer(this.#parts.answer(question, this, itself())),
      onForkFailed: (reason) => this.#retries.onForkFailed(reason),
      onZygoteLost: (reason) => {
        if (!isCurrent()) return;
        this.#current = undefined;
        this.#retries.onZygoteFailed(reason);
      },
      onEnded: () => this.#onGenerationEnded(itself()),
    };
  }

  #onGenerationEnded(generation: Generation): void {
    this.#addToHistory(generation);
    if (generation === this.#current) this.#current = undefined;
    this.#generations.delete(generation);
    this.#memoryWatch.update();
    this.#endIfEmpty();
  }

  /** The machine is the same after a reload: each line is told once. */
  #tellBlind(line: string): void {
    if (this.#blindLines.has(line)) return;
    this.#blindLines.add(line);
    this.#tell('warning', line);
  }

  #onWorkerStarted(pid: Pid): void {
    this.#history.forks++;
    // php-fpm's rule: worth a notice only in place of one that died.
    this.#tell(this.#retries.onForked() ? 'notice' : 'debug', `child ${pid} started`, { pid });
  }

  #onWorkerEnded(worker: EndedWorker, generation: Generation): void {
    this.#history.addDeath(worker);
    const isServing = generation === this.#current && this.#state === 'running';
    if (hasEndedAsTold(worker)) {
      this.#tell('debug', toldEndText(worker), { pid: worker.pid });
      if (isServing) this.#scaler.decide();
      return;
    }
    const text = endText(worker, () => lostRequestText(generation.scoreboard.snapshot(worker.slot)));
    const isInOrder = hasEndedInOrder(worker);
    this.#tell(!isServing ? 'debug' : isInOrder ? 'notice' : 'warning', text, { pid: worker.pid });
    if (!isServing) return;
    if (isInOrder) this.#parts.onWorkerLeft();
    this.#emergency.onWorkerEnded(worker);
    this.#retries.onWorkerEnded(unexpectedEnd(worker));
  }

  /** A delay is over, or a zygote is ready. */
  #onMayFork(): void {
    if (this.#state === 'running') this.#scaler.decide();
    else for (const generation of this.#generations) generation.drain();
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

  /** @param fields besides the pool's name */
  #tell(level: 'error' | 'warning' | 'notice' | 'debug', text: string, fields = {}): void {
    const { name } = this.config;
    this.#log[level](`[pool ${name}] ${text}`, { pool: name, ...fields });
  }
}
