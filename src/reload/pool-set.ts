import type { Config, PoolConfig } from '../config/config.js';
import { octalMode } from '../config/values.js';
import { ConfigError, StartFailure } from '../errors.js';
import { parseListenAddress } from '../listen/address.js';
import { addressKey, type ListenRequest, type ListenSocket } from '../listen/bind.js';
import type { InheritedSocket, InheritedStock } from '../listen/inherited.js';
import { ListenError } from '../listen/listen-error.js';
import { listenRights } from '../listen/listen-rights.js';
import { ListenSockets } from '../listen/listen-sockets.js';
import type { MasterLog } from '../log/master-log.js';
import { Arrivals } from '../os/arrivals.js';
import { systemFailure } from '../os/libc.js';
import { answerQuestion } from '../pages/answers.js';
import { StatusListener } from '../pages/status-listener.js';
import type { GenerationTools } from '../pool/generation.js';
import type { ZygoteHandle } from '../pool/hand-over.js';
import { Pool, type PoolPlan, type PreparedPool } from '../pool/pool.js';
import { ProcessBudget } from '../pool/process-budget.js';
import type { Count, Milliseconds } from '../units.js';
import type { Environment } from '../zygote/environment.js';
import { type Privilege, poolAccount } from '../zygote/identity.js';
import type { PhpOptions } from '../zygote/php-arguments.js';
import { SocketMender } from './socket-mender.js';

export interface PoolSetParts {
  readonly log: MasterLog;
  readonly tools: GenerationTools;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly privilege: Privilege;
  /** Told of an exception that nobody foresaw; what was begun for that pool is undone. */
  readonly onMistake: (error: unknown) => void;
  /** Sockets that somebody has bound for us. */
  readonly inherited?: InheritedStock | undefined;
}

/** What a reload did, by pool. */
export interface ReloadReport {
  readonly renewed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
  /** Those keep what they had before, or do not come into being. */
  readonly failed: readonly { readonly pool: string; readonly reason: string }[];
}

/** New zygotes started at the same time: each loads all of PHP. */
const PREPARED_AT_ONCE: Count = 4;

interface StatusDoor {
  readonly socket: ListenSocket;
  readonly listener: StatusListener;
}

/** A pool of the new configuration on its way. */
interface Candidate {
  readonly plan: PoolPlan;
  /** The pool that it renews, or a new one. */
  readonly pool: Pool;
  readonly isNew: boolean;
}

/** A candidate whose new generation is proven. */
interface ReadyPool {
  readonly candidate: Candidate;
  readonly result: PreparedPool;
}

/** All pools of the master and the sockets they serve; what passes from one configuration to the next. */
export class PoolSet {
  readonly #parts: PoolSetParts;
  readonly #sockets: ListenSockets;
  readonly #arrivals = new Arrivals((reason) =>
    this.#parts.log.warning(
      `clients of pools without an idle worker are looked for every now and then: there is no thread to wait for them (${reason}); trying again`,
    ),
  );
  readonly #budget: ProcessBudget;
  readonly #poolsByName = new Map<string, Pool>();
  /** Added by a reload that is not done yet. */
  readonly #coming = new Set<Pool>();
  /** No longer of the configuration; they finish what they have in hand. */
  readonly #leaving = new Set<Pool>();
  readonly #statusDoors = new Map<string, StatusDoor>();
  readonly #mender: SocketMender<Pool>;
  #isBudgetTold = false;
  #isStopping = false;

  constructor(parts: PoolSetParts) {
    this.#parts = parts;
    this.#sockets = new ListenSockets(parts.log, parts.inherited);
    this.#budget = new ProcessBudget(0, () => this.#countWorkers());
    this.#mender = new SocketMender<Pool>({
      sockets: this.#sockets,
      log: parts.log,
      pools: () => this.pools(),
      request: ({ config }) => this.#listenRequest(config),
      onMoved: () => this.#closeReplacedSockets(),
      nowMs: parts.tools.nowMs,
      onMistake: parts.onMistake,
    });
  }

  #keepAccessLogs({ pools }: Config): string[] {
    return this.#parts.tools.accessLogs.keep(pools.flatMap(({ accessLog }) => accessLog || []));
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
      this.#poolsByName.set(pool.name, this.#makePool(this.#plan(pool, config)));
    for (const line of this.#keepAccessLogs(config)) throw new Error(line);
    const failures = await Promise.all(this.pools().map((pool) => pool.start()));
    const told = failures.flatMap((failure, index) =>
      failure === undefined ? [] : `[pool ${config.pools[index]?.name}] ${failure}`,
    );
    for (const line of told) this.#parts.log.error(line);
    if (told.length > 0) throw new StartFailure('a pool could not be started');
    for (const pool of config.pools) this.#openStatusDoor(pool);
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

  async #goOver(config: Config): Promise<ReloadReport> {
    const failed: { pool: string; reason: string }[] = [];
    const fail = (pool: string, reason: string) => {
      this.#parts.log.error(`[pool ${pool}] ${reason}`, { pool });
      failed.push({ pool, reason });
    };
    const previousMax = this.#budget.max;
    this.#budget.max = config.global.processMax;
    const candidates = config.pools.flatMap((pool) => this.#candidate(pool, config, fail));
    const unchanged = config.global.reloadUnchanged
      ? []
      : candidates.filter(({ plan, pool, isNew }) => !isNew && pool.isUnchangedBy(plan));
    for (const { plan, pool } of unchanged) pool.adopt(plan);
    const toPrepare = candidates.filter((candidate) => !unchanged.includes(candidate));
    for (const { pool, isNew } of toPrepare) if (isNew) this.#coming.add(pool);
    const prepared = await inBatches(toPrepare, PREPARED_AT_ONCE, async (candidate) => ({
      candidate,
      result: await candidate.pool.prepare(candidate.plan).catch((error: unknown) => {
        this.#parts.onMistake(error);
        return 'internal error';
      }),
    }));
    if (this.#isStopping) return this.#giveUp(prepared.map(({ result }) => result));
    for (const { candidate, result } of prepared)
      if (typeof result === 'string')
        fail(candidate.plan.config.name, `${result}; ${consequence(candidate)}`);
    const ready = prepared.flatMap(({ candidate, result }): ReadyPool[] =>
      typeof result === 'string' ? [] : [{ candidate, result }],
    );
    const going = this.#withoutConflicts(ready, config, fail);
    await Promise.all(going.map(({ candidate, result }) => this.#commit(candidate, result)));
    const removed = this.#removeAllBut(
      new Set(config.pools.map(({ name }) => name)),
      config.global.processControlTimeout * 1000,
    );
    this.#coming.clear();
    this.#orderAs(config);
    for (const { candidate } of going) this.#tryStatusDoor(candidate.plan.config, fail);
    for (const line of this.#keepAccessLogs(config)) this.#parts.log.error(line);
    this.#closeUnusedSockets();
    if (going.length === 0 && config.pools.length > 0 && failed.length > 0) this.#budget.max = previousMax;
    const names = (isNew: boolean) =>
      going
        .filter(({ candidate }) => candidate.isNew === isNew)
        .map(({ candidate }) => candidate.plan.config.name);
    return {
      renewed: names(false),
      added: names(true),
      removed,
      unchanged: unchanged.map(({ plan }) => plan.config.name),
      failed,
    };
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

  /** A stop came meanwhile: what was started for the reload goes with the rest, and that it did not work is no news. */
  #giveUp(prepared: readonly (PreparedPool | string)[]): ReloadReport {
    for (const result of prepared) if (typeof result !== 'string') result.abandon();
    return { renewed: [], added: [], removed: [], unchanged: [], failed: [] };
  }

  drain(): void {
    this.#isStopping = true;
    this.#mender.stop();
    this.#each(this.#everyPool(), (pool) => pool.drain());
  }

  killWorkers(): void {
    this.#isStopping = true;
    this.#mender.stop();
    this.#each(this.#everyPool(), (pool) => pool.killWorkers());
  }

  killZygotes(): void {
    this.#each(this.#everyPool(), (pool) => pool.killZygotes());
  }

  /** After a stop: when no process is left. */
  async ended(): Promise<void> {
    await Promise.all(this.#everyPool().map((pool) => pool.ended));
  }

  /** Sockets and their files; those that were inherited are left as they are where somebody else still serves them. */
  async close({ keepsInherited = false } = {}): Promise<void> {
    this.#mender.stop();
    for (const { listener } of this.#statusDoors.values()) listener.close();
    await this.#arrivals.close();
    this.#sockets.closeAll({ keepsInherited });
  }

  /** One that fails does not keep it from the others. */
  #each(pools: readonly Pool[], act: (pool: Pool) => void): void {
    for (const pool of pools) {
      try {
        act(pool);
      } catch (error) {
        this.#parts.onMistake(error);
      }
    }
  }

  #everyPool(): Pool[] {
    return [...this.pools(), ...this.#coming, ...this.#leaving];
  }

  #countWorkers(): Count {
    return this.pools().reduce((sum, pool) => sum + pool.workerCount, 0);
  }

  /** @throws ConfigError, ListenError, SystemError */
  #plan(config: PoolConfig, { global }: Config): PoolPlan {
    return {
      config,
      account: poolAccount(config, this.#parts.privilege),
      listenFd: this.#socketFor(config).fd,
      php: this.#parts.php,
      environment: this.#parts.environment,
      logLevel: global.logLevel,
      emergency: {
        threshold: global.emergencyRestartThreshold,
        intervalS: global.emergencyRestartInterval,
      },
      drainBoundMs: global.processControlTimeout * 1000,
    };
  }

  /**
   * The one that is there, whoever's it was, or a new one. Within one configuration no two pools may have the same text;
   * that two texts mean the same address is found out by binding.
   */
  #socketFor(pool: PoolConfig): ListenSocket {
    return this.#sockets.byListen(pool.listen) ?? this.#sockets.bind(this.#listenRequest(pool));
  }

  /** @throws ConfigError */
  #listenRequest(pool: PoolConfig): ListenRequest {
    return {
      ...this.#socketOptions(pool, pool.listen),
      pool: pool.name,
      backlog: pool.listenBacklog,
    };
  }

  /** @throws ConfigError */
  #socketOptions(pool: PoolConfig, listen: string): Pick<ListenRequest, 'listen' | 'mode' | 'rights'> {
    const isFile = parseListenAddress(listen).kind === 'unix';
    return {
      listen,
      mode: octalMode(pool.listenMode ?? '0660'),
      ...(isFile ? { rights: listenRights(pool, this.#parts.log) } : {}),
    };
  }

  #makePool(plan: PoolPlan): Pool {
    const pool: Pool = new Pool(
      {
        ...plan,
        arrivals: this.#arrivals,
        budget: this.#budget,
        answer: answerQuestion,
        onBudgetSpent: () => this.#tellBudget(),
        onFork: () => {
          this.#isBudgetTold = false;
        },
        onWorkerLeft: () => this.#mender.look([pool]),
      },
      this.#parts.tools,
    );
    return pool;
  }

  /** php-fpm's rule: at most once until some fork succeeds again. */
  #tellBudget(): void {
    if (this.#isBudgetTold) return;
    this.#isBudgetTold = true;
    this.#parts.log.warning(
      "The maximum number of processes has been reached. Please review your configuration and consider raising 'process.max'",
    );
  }

  #candidate(pool: PoolConfig, config: Config, fail: (pool: string, reason: string) => void): Candidate[] {
    const there = this.#poolsByName.get(pool.name);
    try {
      const plan = this.#plan(pool, config);
      return [{ plan, pool: there ?? this.#makePool(plan), isNew: there === undefined }];
    } catch (error) {
      const reason = refusalText(error).replace(`[pool ${pool.name}] `, '');
      fail(pool.name, `${reason}; ${there === undefined ? 'it is left out' : 'it keeps its old generation'}`);
      return [];
    }
  }

  /** An address changes hands only if the pool that has it lets go of it. */
  #withoutConflicts(
    ready: readonly ReadyPool[],
    config: Config,
    fail: (pool: string, reason: string) => void,
  ): ReadyPool[] {
    const moving = new Set(ready.map(({ candidate }) => candidate.pool));
    const listed = config.pools.flatMap(({ name }) => this.#poolsByName.get(name) ?? []);
    let going = [...ready];
    // One that stays after all may keep an address from another: until nothing changes any more.
    for (let before = -1; before !== going.length; ) {
      before = going.length;
      going = going.filter(({ candidate, result }) => {
        const holder = listed.find(
          (pool) => !moving.has(pool) && pool.plan.listenFd === candidate.plan.listenFd,
        );
        if (holder === undefined) return true;
        moving.delete(candidate.pool);
        result.abandon();
        fail(
          candidate.plan.config.name,
          `its address is still served by pool ${holder.config.name}, which could not be renewed; ${consequence(candidate)}`,
        );
        return false;
      });
    }
    return going;
  }

  async #commit({ pool, plan }: Candidate, prepared: PreparedPool): Promise<void> {
    this.#poolsByName.set(plan.config.name, pool);
    await prepared.commit().catch(this.#parts.onMistake);
  }

  #removeAllBut(names: ReadonlySet<string>, drainBoundMs: Milliseconds): string[] {
    const removed = this.pools().filter((pool) => !names.has(pool.config.name));
    for (const pool of removed) {
      this.#poolsByName.delete(pool.config.name);
      this.#leaving.add(pool);
      pool.leave(drainBoundMs);
      void pool.ended.then(() => this.#leaving.delete(pool));
    }
    return removed.map(({ config }) => config.name);
  }

  #orderAs(config: Config): void {
    const sorted = config.pools.flatMap(({ name }) => this.#poolsByName.get(name) ?? []);
    this.#poolsByName.clear();
    for (const pool of sorted) this.#poolsByName.set(pool.config.name, pool);
  }

  /** One that cannot be opened is told and left out: the pool serves all the same. */
  #tryStatusDoor(config: PoolConfig, fail: (pool: string, reason: string) => void): void {
    try {
      this.#openStatusDoor(config);
    } catch (error) {
      const reason = refusalText(error).replace(/^\[pool [^\]]*\] /, '');
      fail(config.name, `${reason}; it has no pm.status_listen`);
    }
  }

  /** `pm.status_listen` @throws ListenError */
  #openStatusDoor(config: PoolConfig): void {
    const pool = this.#poolsByName.get(config.name);
    const there = this.#statusDoors.get(config.name);
    if (there !== undefined && there.socket.listen === config.pmStatusListen) return;
    this.#closeStatusDoor(config.name);
    if (pool === undefined || !config.pmStatusListen) return;
    const name = `${config.name}_status`;
    const socket = this.#sockets.bind({
      ...this.#socketOptions(config, config.pmStatusListen),
      pool: name,
      backlog: -1,
    });
    const onFailure = ({ message }: Error) => {
      this.#parts.log.error(`[pool ${name}] ${message}; trying again at the next reload`);
      this.#closeStatusDoor(config.name);
    };
    try {
      this.#statusDoors.set(config.name, { socket, listener: new StatusListener(pool, socket, onFailure) });
    } catch (error) {
      this.#sockets.close(socket);
      throw error;
    }
  }

  #closeStatusDoor(name: string): void {
    const there = this.#statusDoors.get(name);
    if (there === undefined) return;
    there.listener.close();
    this.#sockets.close(there.socket);
    this.#statusDoors.delete(name);
  }

  #closeUnusedSockets(): void {
    for (const name of this.#statusDoors.keys())
      if (!this.#poolsByName.has(name)) this.#closeStatusDoor(name);
    const used = new Set([
      ...this.pools().map(({ config }) => config.listen),
      ...[...this.#statusDoors.values()].map(({ socket }) => socket.listen),
    ]);
    for (const socket of this.#sockets.all()) if (!used.has(socket.listen)) this.#sockets.close(socket);
    this.#closeReplacedSockets();
  }

  /** Dead ones, unless a pool could not let go of it yet. */
  #closeReplacedSockets(): void {
    this.#sockets.closeReplaced(new Set(this.#everyPool().map(({ plan }) => plan.listenFd)));
  }
}

/**
 * Why the machine or the file does not allow it.
 *
 * @throws `error` again where it is neither
 */
function refusalText(error: unknown): string {
  if (error instanceof ConfigError || error instanceof ListenError) return error.message;
  const failure = systemFailure(error);
  if (failure === undefined) throw error;
  return failure;
}

function consequence({ isNew }: Candidate): string {
  return isNew ? 'it is left out' : 'it keeps its old generation';
}

async function inBatches<In, Out>(
  items: readonly In[],
  size: Count,
  work: (item: In) => Promise<Out>,
): Promise<Out[]> {
  const results: Out[] = [];
  for (let at = 0; at < items.length; at += size)
    results.push(...(await Promise.all(items.slice(at, at + size).map(work))));
  return results;
}
