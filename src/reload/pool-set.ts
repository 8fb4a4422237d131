import type { Config, PoolConfig } from '../config/config.js';
import { StartFailure } from '../errors.js';
import { addressKey, type ListenSocket } from '../listen/bind.js';
import type { InheritedSocket, InheritedStock } from '../listen/inherited.js';
import { listenRequest } from '../listen/listen-request.js';
import { ListenSockets } from '../listen/listen-sockets.js';
import type { MasterLog } from '../log/master-log.js';
import { Arrivals } from '../os/arrivals.js';
import { answerQuestion } from '../pages/answers.js';
import { StatusServers } from '../pages/status-servers.js';
import type { GenerationTools } from '../pool/generation.js';
import type { ZygoteHandle } from '../pool/hand-over.js';
import type { PoolPlan } from '../pool/plan.js';
import { Pool } from '../pool/pool.js';
import { ProcessBudget } from '../pool/process-budget.js';
import type { GenerationSource } from '../pool/start-generation.js';
import type { Count, Milliseconds } from '../units.js';
import type { Environment } from '../zygote/environment.js';
import { type Privilege, poolAccount } from '../zygote/identity.js';
import type { PhpOptions } from '../zygote/php-arguments.js';
import {
  type Candidate,
  consequence,
  nameOf,
  prepareAll,
  type ReadyCandidate,
  readyOnes,
  refusalText,
  splitUnchanged,
  withoutConflicts,
} from './candidate.js';
import { type Fail, type FailedPool, GIVEN_UP, type ReloadReport } from './report.js';
import { SocketMender } from './socket-mender.js';

export interface PoolSetParts {
  readonly log: MasterLog;
  readonly tools: GenerationTools;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly privilege: Privilege;
  /** Told of an exception that nobody foresaw; what was begun for that pool is undone. */
  readonly onMistake: (error: unknown) => void;
  /** Default: generations of php-cgi. */
  readonly generations?: GenerationSource | undefined;
  /** Sockets that were bound before: by systemd, or by the program before an upgrade. */
  readonly inherited?: InheritedStock | undefined;
}

/** All pools of the master and the sockets they serve; what passes from one configuration to the next. */
export class PoolSet {
  readonly #parts: PoolSetParts;
  readonly #sockets: ListenSockets;
  readonly #arrivals: Arrivals;
  readonly #budget: ProcessBudget;
  readonly #poolsByName = new Map<string, Pool>();
  /** Added by a reload that is not done yet. */
  readonly #coming = new Set<Pool>();
  /** No longer in the configuration; they finish what they have in hand. */
  readonly #leaving = new Set<Pool>();
  readonly #statusServers: StatusServers;
  readonly #mender: SocketMender<Pool>;
  #isStopping = false;

  constructor(parts: PoolSetParts) {
    const { log } = parts;
    this.#parts = parts;
    this.#sockets = new ListenSockets(log, parts.inherited);
    this.#statusServers = new StatusServers(this.#sockets, log);
    this.#arrivals = new Arrivals((reason) =>
      log.warning(
        'clients of pools without an idle worker are looked for every now and then: ' +
          `there is no thread to wait for them (${reason}); trying again`,
      ),
    );
    this.#budget = new ProcessBudget(
      0,
      () => this.#countWorkers(),
      () =>
        log.warning(
          'The maximum number of processes has been reached. ' +
            "Please review your configuration and consider raising 'process.max'",
        ),
    );
    this.#mender = new SocketMender<Pool>({
      sockets: this.#sockets,
      log,
      pools: () => this.pools(),
      request: ({ config }) => listenRequest(config, log),
      onMoved: () => this.#closeReplacedSockets(),
      nowMs: parts.tools.nowMs,
      onMistake: parts.onMistake,
    });
  }

  /** In the order of the configuration. */
  pools(): Pool[] {
    return [...this.#poolsByName.values()];
  }

  /**
   * Binds every socket and starts every pool's zygote.
   *
   * @throws StartFailure when something cannot be; it has been logged
   */
  async start(config: Config): Promise<void> {
    this.#budget.max = config.global.processMax;
    for (const pool of config.pools)
      this.#poolsByName.set(pool.name, this.#newPool(this.#plan(pool, config)));
    const [logFailure] = this.#keepAccessLogs(config);
    if (logFailure !== undefined) throw new Error(logFailure);
    const failures = await Promise.all(this.pools().map((pool) => pool.start()));
    const told = failures.flatMap((failure, index) =>
      failure === undefined ? [] : `[pool ${config.pools[index]?.name}] ${failure}`,
    );
    for (const line of told) this.#parts.log.error(line);
    if (told.length > 0) throw new StartFailure('a pool could not be started');
    for (const pool of config.pools) this.#openStatusServer(pool);
  }

  /** From here on workers serve. */
  run(): void {
    this.#parts.inherited?.closeRest();
    this.#each(this.pools(), (pool) => pool.run());
    this.#mender.start();
  }

  /**
   * Goes over to another configuration: every pool that can be started with it is, and proven, before the old one lets
   * go. Sockets that stay are not touched. A pool that cannot be started keeps what it had.
   */
  async reload(config: Config): Promise<ReloadReport> {
    this.#mender.pause();
    try {
      return await this.#goOver(config);
    } finally {
      this.#mender.resume();
    }
  }

  /** What a master needs that comes after this one in the same process. */
  handOver(): { sockets: InheritedSocket[]; zygotes: ZygoteHandle[] } {
    return {
      sockets: this.#sockets
        .all()
        .map(({ address, fd, origin }) => ({ key: addressKey(address), fd, isLent: origin === 'lent' })),
      zygotes: this.#everyPool().flatMap((pool) => pool.zygotes()),
    };
  }

  /** Before another program takes over in this process: no keeper is left, and nothing that it held is cut off. */
  async finishKeeping(): Promise<void> {
    await Promise.all(this.#everyPool().map((pool) => pool.finishKeeping()));
  }

  /** It has not taken over. */
  resumeKeeping(): void {
    this.#each(this.#everyPool(), (pool) => pool.resumeKeeping());
  }

  drain(): void {
    this.#isStopping = true;
    this.#mender.stop();
    this.#each(this.#everyPool(), (pool) => pool.drain());
    this.#parts.tools.zygoteStarts.stop();
  }

  killWorkers(): void {
    this.#isStopping = true;
    this.#mender.stop();
    this.#each(this.#everyPool(), (pool) => pool.killWorkers());
    this.#parts.tools.zygoteStarts.stop();
  }

  killZygotes(): void {
    this.#each(this.#everyPool(), (pool) => pool.killZygotes());
  }

  /** After a stop: when no process is left. */
  async ended(): Promise<void> {
    await Promise.all(this.#everyPool().map((pool) => pool.ended));
    await this.#parts.tools.zygoteStarts.ended();
  }

  /** Closes sockets and removes their files; inherited ones stay where another process still serves them. */
  async close({ keepsInherited = false } = {}): Promise<void> {
    this.#mender.stop();
    this.#statusServers.stop();
    await this.#arrivals.close();
    this.#sockets.closeAll({ keepsInherited });
  }

  async #goOver(config: Config): Promise<ReloadReport> {
    const failed: FailedPool[] = [];
    const fail: Fail = (pool, reason) => {
      this.#parts.log.error(`[pool ${pool}] ${reason}`, { pool });
      failed.push({ pool, reason });
    };
    const previousMax = this.#budget.max;
    this.#budget.max = config.global.processMax;
    const candidates = config.pools.flatMap((pool) => this.#candidate(pool, config, fail));
    const { unchanged, toPrepare } = splitUnchanged(candidates, config);
    this.#parts.tools.zygoteStarts.renew(toPrepare.map(({ pool }) => pool));
    for (const { plan, pool } of unchanged) pool.adopt(plan);
    for (const { pool, isNew } of toPrepare) if (isNew) this.#coming.add(pool);
    const prepared = await prepareAll(toPrepare, this.#parts.onMistake);
    if (this.#isStopping) {
      // What was started for the reload goes with the rest.
      for (const { result } of prepared) if (typeof result !== 'string') result.abandon();
      return GIVEN_UP;
    }
    const going = withoutConflicts(readyOnes(prepared, fail), this.pools(), config, fail);
    await Promise.all(going.map((ready) => this.#commit(ready)));
    const removed = this.#removePoolsNotIn(config);
    this.#coming.clear();
    this.#orderAs(config);
    for (const { plan } of going) this.#tryStatusServer(plan.config, fail);
    for (const line of this.#keepAccessLogs(config)) this.#parts.log.error(line);
    this.#closeUnusedSockets();
    if (going.length === 0 && config.pools.length > 0 && failed.length > 0) this.#budget.max = previousMax;
    return {
      renewed: going.filter(({ isNew }) => !isNew).map(nameOf),
      added: going.filter(({ isNew }) => isNew).map(nameOf),
      removed,
      unchanged: unchanged.map(nameOf),
      failed,
    };
  }

  /** At each decision of each pool, where `process.max` is set. */
  #countWorkers(): Count {
    let count = 0;
    for (const pool of this.#poolsByName.values()) count += pool.workerCount;
    return count;
  }

  #candidate(pool: PoolConfig, config: Config, fail: Fail): Candidate[] {
    const there = this.#poolsByName.get(pool.name);
    const isNew = there === undefined;
    try {
      const plan = this.#plan(pool, config);
      return [{ plan, pool: there ?? this.#newPool(plan), isNew }];
    } catch (error) {
      fail(pool.name, `${refusalText(error)}; ${consequence({ isNew })}`);
      return [];
    }
  }

  async #commit({ pool, plan, prepared }: ReadyCandidate): Promise<void> {
    this.#poolsByName.set(plan.config.name, pool);
    await prepared.commit().catch(this.#parts.onMistake);
  }

  /** @returns their names */
  #removePoolsNotIn({ pools, global }: Config): string[] {
    const names = new Set(pools.map(({ name }) => name));
    const removed = this.pools().filter(({ config }) => !names.has(config.name));
    const drainBoundMs: Milliseconds = global.processControlTimeout * 1000;
    for (const pool of removed) {
      this.#poolsByName.delete(pool.config.name);
      this.#leaving.add(pool);
      pool.leave(drainBoundMs);
      void pool.ended.then(() => this.#leaving.delete(pool));
    }
    return removed.map(({ config }) => config.name);
  }

  #orderAs({ pools }: Config): void {
    const sorted = pools.flatMap(({ name }) => this.#poolsByName.get(name) ?? []);
    this.#poolsByName.clear();
    for (const pool of sorted) this.#poolsByName.set(pool.config.name, pool);
  }

  /** A status server that cannot be opened is logged and left out: the pool serves all the same. */
  #tryStatusServer(config: PoolConfig, fail: Fail): void {
    try {
      this.#openStatusServer(config);
    } catch (error) {
      fail(config.name, `${refusalText(error)}; it has no pm.status_listen`);
    }
  }

  /** @throws ListenError, ConfigError, SystemError */
  #openStatusServer(config: PoolConfig): void {
    const pool = this.#poolsByName.get(config.name);
    if (pool !== undefined) this.#statusServers.open(config, pool);
  }

  #newPool(plan: PoolPlan): Pool {
    const pool: Pool = new Pool(
      {
        ...plan,
        arrivals: this.#arrivals,
        budget: this.#budget,
        answer: answerQuestion,
        onWorkerLeft: () => this.#mender.check([pool]),
      },
      this.#parts.tools,
      this.#parts.generations,
    );
    return pool;
  }

  /** @throws ConfigError, ListenError, SystemError */
  #plan(pool: PoolConfig, { global }: Config): PoolPlan {
    const { php, environment, privilege } = this.#parts;
    const account = poolAccount(pool, privilege); // before a socket is bound in vain
    return {
      config: pool,
      account,
      listenFd: this.#socketFor(pool).fd,
      php,
      environment,
      logLevel: global.logLevel,
      emergency: {
        threshold: global.emergencyRestartThreshold,
        intervalS: global.emergencyRestartInterval,
      },
      drainBoundMs: global.processControlTimeout * 1000,
    };
  }

  /**
   * The socket that is open already, of any pool, or a new one. Within one configuration no two pools may have the same
   * text; that two texts mean the same address is found out by binding.
   */
  #socketFor(pool: PoolConfig): ListenSocket {
    return this.#sockets.byListen(pool.listen) ?? this.#sockets.bind(listenRequest(pool, this.#parts.log));
  }

  /** @returns what could not be opened */
  #keepAccessLogs({ pools }: Config): string[] {
    return this.#parts.tools.accessLogs.keep(pools.flatMap(({ accessLog }) => accessLog || []));
  }

  #closeUnusedSockets(): void {
    this.#statusServers.keep((pool) => this.#poolsByName.has(pool));
    const used = new Set([
      ...this.pools().map(({ config }) => config.listen),
      ...this.#statusServers.listens(),
    ]);
    for (const socket of this.#sockets.all()) if (!used.has(socket.listen)) this.#sockets.close(socket);
    this.#closeReplacedSockets();
  }

  /** Closes dead sockets, but for those that a pool still uses. */
  #closeReplacedSockets(): void {
    this.#sockets.closeReplaced(new Set(this.#everyPool().map(({ plan }) => plan.listenFd)));
  }

  #everyPool(): Pool[] {
    return [...this.pools(), ...this.#coming, ...this.#leaving];
  }

  /** Where it fails for one pool the others get it all the same. */
  #each(pools: readonly Pool[], act: (pool: Pool) => void): void {
    for (const pool of pools) {
      try {
        act(pool);
      } catch (error) {
        this.#parts.onMistake(error);
      }
    }
  }
}
