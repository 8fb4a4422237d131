import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Config, PoolConfig } from '../config/config.js';
import { octalMode } from '../config/values.js';
import { StartFailure, unreachable } from '../errors.js';
import { type HttpDoor, startHttpDoor } from '../http/door.js';
import type { ListenSocket } from '../listen/bind.js';
import { ListenSockets } from '../listen/listen-sockets.js';
import { openStandIn } from '../listen/stand-in.js';
import { LogOpenError } from '../log/file-sink.js';
import type { MasterLog } from '../log/master-log.js';
import { Arrivals } from '../os/arrivals.js';
import { becomeSubreaper } from '../os/process.js';
import type { Environment } from '../pool/environment.js';
import { type PoolAccount, poolAccount } from '../pool/identity.js';
import { listenOwner } from '../pool/listen-owner.js';
import { Orphans } from '../pool/orphans.js';
import type { PhpOptions } from '../pool/php-arguments.js';
import { Pool } from '../pool/pool.js';
import { ProcessBudget } from '../pool/process-budget.js';
import { StatusListener } from '../pool/status-listener.js';
import type { Fd, Milliseconds } from '../units.js';
import { doorSource } from './door-source.js';
import type { ErrorLog } from './error-log.js';
import { directivesIgnoredWithoutRoot } from './ignored-directives.js';
import { removePidFile, writePidFile } from './pid-file.js';
import { MASTER_SIGNALS, type MasterSignal, type MasterState, TRANSITIONS } from './transitions.js';

export interface MasterOptions {
  readonly config: Config;
  readonly log: MasterLog;
  readonly errorLog: ErrorLog;
  /** Of the file, or of the command line where the file names none. */
  readonly pidFile: string | undefined;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly isRoot: boolean;
  readonly allowRoot: boolean;
  /** Of tsfpm. */
  readonly version: string;
}

/** dist/src/lifecycle/ -> dist/runtime/ */
const LIBRARY = fileURLToPath(new URL('../../runtime/tsfpm-runtime.so', import.meta.url));

/** php-fpm's names of the states, for debugging. */
const STATE_NAMES: Readonly<Record<MasterState, string>> = {
  starting: 'normal',
  running: 'normal',
  finishing: 'finishing',
  terminating: 'terminating',
  killing: 'terminating',
};

/** Killed workers are gone in no time; a zygote that has not said so by then does not answer. */
const ZYGOTE_PATIENCE_MS: Milliseconds = 2000;

/** The master process: sockets, pools, signals, the way down. Decides nothing about single workers. */
export class Master {
  readonly #options: MasterOptions;
  readonly #log: MasterLog;
  readonly #sockets: ListenSockets;
  readonly #pools: Pool[] = [];
  readonly #statusSockets = new Map<string, ListenSocket>();
  readonly #statusListeners: StatusListener[] = [];
  #door: HttpDoor | undefined;
  readonly #orphans: Orphans;
  readonly #arrivals = new Arrivals();
  #state: MasterState = 'starting';
  #isBudgetTold = false;
  #hasPidFile = false;
  #killTimer: NodeJS.Timeout | undefined;
  #standInFd: Fd | undefined;
  #libraryFd: Fd | undefined;
  #onStopAsked: () => void = () => {};
  readonly #stopAsked: Promise<void>;

  constructor(options: MasterOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#sockets = new ListenSockets(options.log);
    this.#orphans = new Orphans((pid) => this.#pools.some((pool) => pool.zygotePids().includes(pid)));
    this.#stopAsked = new Promise((resolve) => {
      this.#onStopAsked = resolve;
    });
  }

  /** Signals are taken in hand before the first child exists. */
  takeSignals(): void {
    for (const signal of MASTER_SIGNALS) process.on(signal, () => this.#onSignal(signal));
    process.on('SIGCHLD', () => this.#orphans.look());
    becomeSubreaper();
  }

  /**
   * Binds every socket and starts every pool's zygote.
   *
   * @throws StartFailure when something cannot be; it has been logged
   */
  async start(): Promise<void> {
    this.#openShared();
    if (!this.#options.isRoot)
      for (const line of directivesIgnoredWithoutRoot(this.#options.config)) this.#log.notice(line);
    const accounts = new Map<string, PoolAccount>();
    for (const pool of this.#options.config.pools) {
      accounts.set(pool.name, poolAccount(pool, this.#options));
      this.#bind(pool);
    }
    const budget = new ProcessBudget(this.#options.config.global.processMax, () => this.#countWorkers());
    for (const pool of this.#options.config.pools) this.#pools.push(this.#makePool(pool, accounts, budget));
    const failures = await Promise.race([
      Promise.all(this.#pools.map((pool) => pool.start())),
      this.#stopAsked.then(() => []),
    ]);
    let hasFailed = false;
    for (const [index, failure] of failures.entries())
      if (failure !== undefined) {
        hasFailed = true;
        this.#log.error(`[pool ${this.#pools[index]?.config.name}] ${failure}`);
      }
    if (hasFailed) throw new StartFailure('a pool could not be started');
    if (this.isStopping) return;
    await this.#openDoors();
    if (this.#options.pidFile !== undefined) {
      writePidFile(this.#options.pidFile);
      this.#hasPidFile = true;
    }
  }

  /** A signal has asked for the end. */
  get isStopping(): boolean {
    return this.#state !== 'starting' && this.#state !== 'running';
  }

  /** From here on workers serve. */
  run(): void {
    if (this.isStopping) return;
    this.#state = 'running';
    for (const pool of this.#pools) pool.run();
  }

  /** @returns when nothing is left but this process; a stop is asked for by a signal */
  async untilStopped(): Promise<void> {
    await this.#stopAsked;
    await Promise.all(this.#pools.map((pool) => pool.ended));
    clearTimeout(this.#killTimer);
    await this.#cleanUp();
    this.#log.notice('exiting, bye-bye!');
  }

  /** Takes back a start that failed. */
  async abandon(): Promise<void> {
    for (const pool of this.#pools) {
      pool.killWorkers();
      pool.killZygotes();
    }
    await Promise.all(this.#pools.map((pool) => pool.ended));
    await this.#cleanUp();
  }

  /** Where the master answers by itself. @throws ListenError */
  async #openDoors(): Promise<void> {
    for (const pool of this.#pools) {
      const socket = this.#statusSockets.get(pool.config.name);
      if (socket !== undefined) this.#statusListeners.push(new StatusListener(pool, socket));
    }
    const listen = this.#options.config.global.httpListen;
    if (!listen) return;
    const source = doorSource({
      version: this.#options.version,
      startEpochMs: Date.now(),
      pools: () => this.#pools,
      state: () => this.#state,
    });
    this.#door = await startHttpDoor({ listen, source, log: this.#log });
  }

  #countWorkers(): number {
    return this.#pools.reduce((sum, pool) => sum + pool.workerCount, 0);
  }

  #openShared(): void {
    this.#standInFd = openStandIn();
    try {
      this.#libraryFd = openSync(LIBRARY, 'r');
    } catch {
      this.#log.error(`the runtime library '${LIBRARY}' is missing; build it with: npm run build`);
      throw new StartFailure('no runtime library');
    }
  }

  #bind(pool: PoolConfig): void {
    const common = { mode: octalMode(pool.listenMode ?? '0660'), ...listenOwner(pool) };
    this.#sockets.bind({ ...common, pool: pool.name, listen: pool.listen, backlog: pool.listenBacklog });
    if (!pool.pmStatusListen) return;
    const name = `${pool.name}_status`;
    const socket = this.#sockets.bind({ ...common, pool: name, listen: pool.pmStatusListen, backlog: -1 });
    this.#statusSockets.set(pool.name, socket);
  }

  #makePool(config: PoolConfig, accounts: Map<string, PoolAccount>, budget: ProcessBudget): Pool {
    const { php, environment } = this.#options;
    const socket = this.#sockets.byListen(config.listen);
    const account = accounts.get(config.name);
    if (
      socket === undefined ||
      account === undefined ||
      this.#standInFd === undefined ||
      this.#libraryFd === undefined
    )
      throw new Error(`pool ${config.name} is made before its socket`);
    return new Pool(
      {
        config,
        account,
        listenFd: socket.fd,
        php,
        environment,
        arrivals: this.#arrivals,
        budget,
        onBudgetSpent: () => this.#tellBudget(),
        onFork: () => {
          this.#isBudgetTold = false;
        },
      },
      {
        log: this.#log,
        orphans: this.#orphans,
        standInFd: this.#standInFd,
        libraryFd: this.#libraryFd,
        nowMs: () => performance.now(),
      },
    );
  }

  /** php-fpm's rule: at most once until some fork succeeds again. */
  #tellBudget(): void {
    if (this.#isBudgetTold) return;
    this.#isBudgetTold = true;
    this.#log.warning(
      "The maximum number of processes has been reached. Please review your configuration and consider raising 'process.max'",
    );
  }

  #onSignal(signal: MasterSignal): void {
    this.#log.debug(`received ${signal}`);
    const { next, action } = TRANSITIONS[this.#state][signal];
    if (STATE_NAMES[next] !== STATE_NAMES[this.#state])
      this.#log.debug(`switching to '${STATE_NAMES[next]}' state`);
    const hasLeft = next !== this.#state;
    this.#state = next;
    const boundMs = this.#options.config.global.processControlTimeout * 1000;
    switch (action) {
      case 'ignore':
        return;
      case 'reopen logs':
        this.#reopenLogs();
        return;
      case 'reload':
        this.#log.notice(`${signal}: reloading is not built yet; the running configuration stays`);
        return;
      case 'finish':
        this.#log.notice('Finishing ...');
        this.#drain(boundMs);
        return;
      case 'terminate':
        this.#log.notice('Terminating ...');
        if (boundMs > 0) this.#drain(boundMs);
        else this.#kill();
        return;
      case 'kill':
        if (hasLeft) this.#log.notice('Terminating ...');
        this.#kill();
        return;
      default:
        unreachable(action);
    }
  }

  /** @param boundMs 0 is none */
  #drain(boundMs: Milliseconds): void {
    clearTimeout(this.#killTimer);
    for (const pool of this.#pools) pool.drain();
    if (boundMs > 0) this.#killTimer = setTimeout(() => this.#kill(), boundMs);
    this.#onStopAsked();
  }

  #kill(): void {
    this.#state = 'killing';
    clearTimeout(this.#killTimer);
    for (const pool of this.#pools) pool.killWorkers();
    this.#killTimer = setTimeout(() => {
      for (const pool of this.#pools) pool.killZygotes();
    }, ZYGOTE_PATIENCE_MS);
    this.#onStopAsked();
  }

  #reopenLogs(): void {
    try {
      this.#options.errorLog.reopen();
      this.#log.notice('error log file re-opened');
    } catch (error) {
      if (!(error instanceof LogOpenError)) throw error;
      this.#log.error(error.message);
      this.#log.error('unable to re-opened error log file');
    }
  }

  async #cleanUp(): Promise<void> {
    await this.#arrivals.close();
    for (const listener of this.#statusListeners) listener.close();
    await this.#door?.close();
    this.#sockets.closeAll();
    for (const fd of [this.#standInFd, this.#libraryFd]) if (fd !== undefined) closeSync(fd);
    if (!this.#hasPidFile || this.#options.pidFile === undefined) return;
    try {
      removePidFile(this.#options.pidFile);
    } catch (error) {
      this.#log.error(error instanceof Error ? error.message : String(error));
    }
  }
}
