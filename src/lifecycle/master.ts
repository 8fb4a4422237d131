import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { EXIT_OK, EXIT_SOFTWARE, errorText, StartFailure, unreachable } from '../errors.js';
import type { InheritedStock } from '../listen/inherited.js';
import type { AccessLogs } from '../log/access-logs.js';
import { LogOpenError } from '../log/file-sink.js';
import type { MasterLog } from '../log/master-log.js';
import { isWaitedFor } from '../os/child.js';
import { monotonicClockUs } from '../os/clock.js';
import { systemFailure } from '../os/libc.js';
import { SpareDescriptors } from '../os/spare-descriptors.js';
import { poolStatus } from '../pages/pool-status.js';
import { PoolSet } from '../reload/pool-set.js';
import type { PoolStatus } from '../status/status.js';
import type { NotifyEnvironment } from '../systemd/notify-environment.js';
import { type IntervalSetting, SystemdService } from '../systemd/service.js';
import type { ServiceLoad } from '../systemd/status-text.js';
import type { Count, Fd, Milliseconds } from '../units.js';
import type { Predecessor } from '../upgrade/predecessor.js';
import { becomeNewProgram, ownCommand, tryNewProgram } from '../upgrade/takeover.js';
import { ownVersion } from '../version.js';
import type { Environment } from '../zygote/environment.js';
import { Orphans } from '../zygote/orphans.js';
import type { PhpOptions } from '../zygote/php-arguments.js';
import { RUNTIME_LIBRARY } from '../zygote/runtime-library.js';
import { controlTarget } from './control-target.js';
import type { ErrorLog } from './error-log.js';
import { httpSource } from './http-source.js';
import { directivesIgnoredWithoutRoot } from './ignored-directives.js';
import { mistakeText, NO_RESTARTS, type RestartHistory, restartDelay, withRestart } from './mistakes.js';
import { removePidFile, writePidFile } from './pid-file.js';
import type { CheckedFile } from './read-config.js';
import { hasChangedPools, reloadSummary, tellReloaded, tellReloading } from './reload-lines.js';
import { Servers } from './servers.js';
import {
  LAST_PATIENCE_MS,
  MASTER_SIGNALS,
  type MasterSignal,
  type MasterState,
  STATE_NAMES,
  TRANSITIONS,
  ZYGOTE_PATIENCE_MS,
} from './transitions.js';

export interface MasterOptions {
  readonly config: Config;
  readonly log: MasterLog;
  readonly errorLog: ErrorLog;
  readonly accessLogs: AccessLogs;
  /** `--pid`, for a configuration that names none. */
  readonly pidFile: string | undefined;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly isRoot: boolean;
  readonly allowRoot: boolean;
  /** Of tsfpm. */
  readonly version: string;
  /** As given on the command line. */
  readonly configFile: string;
  /** Reads the file again and tells what is wrong with it; undefined where something is fatal. */
  readonly readConfig: () => Config | undefined;
  /** What `-t` would say of the file. */
  readonly testConfig: () => CheckedFile;
  /** Sockets that somebody has bound for us. */
  readonly inherited?: InheritedStock | undefined;
  /** The program before this one, in the same process. */
  readonly predecessor?: Predecessor | undefined;
  /** Of this process, so far. */
  readonly restarts?: RestartHistory | undefined;
  /** Where systemd listens, if it does. */
  readonly notify?: NotifyEnvironment | undefined;
  readonly isForeground: boolean;
}

/** What a reload or an upgrade came to. */
export interface MasterOutcome {
  /** Everything that was asked for is in force. */
  readonly isComplete: boolean;
  /** One sentence for the administrator. */
  readonly summary: string;
}

interface ReloadOutcome extends MasterOutcome {
  /** Pools serve by the new file, if not all of them. */
  readonly isInForce: boolean;
}

/** What a stop opens: a socket for systemd, /proc for what is left of a predecessor. */
const SPARE_FOR_STOP: Count = 8;

/** The master process: states, signals, the way up and down. Decides nothing about single pools. */
export class Master {
  readonly #options: MasterOptions;
  readonly #log: MasterLog;
  readonly #orphans: Orphans;
  readonly #libraryFd: Fd;
  readonly #accessLogs: AccessLogs;
  readonly #pools: PoolSet;
  readonly #startEpochMs = Date.now();
  #config: Config;
  #state: MasterState = 'starting';
  #reloads = { succeeded: 0 as Count, failed: 0 as Count, lastEpochMs: Date.now(), isLastComplete: true };
  #isReloadWanted = false;
  #reloadDone: Promise<unknown> = Promise.resolve();
  /** Who waits for the reload after the present one. */
  #waiting: ((outcome: MasterOutcome) => void)[] = [];
  #pidFileInUse: string | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  readonly #servers: Servers;
  readonly #systemd: SystemdService;
  #lastUpgrade: MasterOutcome | undefined;
  readonly #stop = new AbortController();
  readonly #stopAsked = once(this.#stop.signal, 'abort');
  readonly #patienceOver = new AbortController();
  readonly #spare = new SpareDescriptors(SPARE_FOR_STOP);
  #failStart: ((error: Error) => void) | undefined;
  #restarts: RestartHistory;
  #restartTimer: NodeJS.Timeout | undefined;
  #isRestartDue = false;

  /** @throws StartFailure without the runtime library; it has been logged */
  constructor(options: MasterOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#config = options.config;
    this.#restarts = options.restarts ?? NO_RESTARTS;
    this.#libraryFd = openLibrary(options.log);
    this.#accessLogs = options.accessLogs;
    this.#orphans = new Orphans(isWaitedFor);
    this.#pools = new PoolSet({
      log: options.log,
      tools: {
        log: options.log,
        accessLogs: this.#accessLogs,
        orphans: this.#orphans,
        libraryFd: this.#libraryFd,
        nowMs: () => performance.now(),
      },
      php: options.php,
      environment: options.environment,
      privilege: options,
      onMistake: (error) => this.#onMistake(error),
      inherited: options.inherited,
    });
    this.#systemd = new SystemdService({
      environment: options.notify,
      log: options.log,
      load: () => this.#load(),
      ...systemdInterval(options.config),
    });
    if (options.predecessor !== undefined)
      this.#lastUpgrade = { isComplete: true, summary: `upgraded; tsfpm ${options.version} serves` };
    this.#servers = new Servers({
      log: options.log,
      target: controlTarget(this),
      source: httpSource({
        version: options.version,
        startEpochMs: this.#startEpochMs,
        pools: () => this.#pools.pools(),
        state: () => this.#state,
        reloads: () => this.#reloads,
      }),
    });
  }

  get state(): MasterState {
    return this.#state;
  }

  get pools(): PoolSet {
    return this.#pools;
  }

  get version(): string {
    return this.#options.version;
  }

  get configFile(): string {
    return this.#options.configFile;
  }

  get startEpochMs(): Milliseconds {
    return this.#startEpochMs;
  }

  get reloads(): { readonly succeeded: Count; readonly failed: Count; readonly isLastComplete: boolean } {
    return this.#reloads;
  }

  /** How the last one ended, here or in the program before this one. */
  get lastUpgrade(): MasterOutcome | undefined {
    return this.#lastUpgrade;
  }

  /** What `-t` would say of the file. */
  testConfig(): CheckedFile {
    return this.#options.testConfig();
  }

  /** Signals are taken in hand before the first child exists. */
  takeSignals(): void {
    for (const signal of MASTER_SIGNALS) process.on(signal, () => this.onSignal(signal));
    process.on('SIGCHLD', () => this.#orphans.look());
    // A mistake of ours must not end a service that runs: workers need the master only for what changes.
    process.on('uncaughtException', (error) => this.#onMistake(error));
  }

  /**
   * Binds every socket and starts every pool's zygote.
   *
   * @throws StartFailure, or another error with a line for the log, when something cannot be
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#failStart = reject;
      this.#start().then(resolve, reject);
    });
  }

  async #start(): Promise<void> {
    if (!this.#options.isRoot)
      for (const line of directivesIgnoredWithoutRoot(this.#config)) this.#log.notice(line);
    await Promise.race([this.#pools.start(this.#config), this.#stopAsked]);
    if (this.isStopping) return;
    await this.#servers.openHttp(this.#config.global.httpListen, this.#config.global.httpHosts);
    this.#usePidFile(this.#config.global.pid ?? this.#options.pidFile);
    await this.#servers.openControl(this.#config.global.controlListen, this.#pidFileInUse);
  }

  /** A signal has asked for the end. */
  get isStopping(): boolean {
    return this.#state === 'finishing' || this.#state === 'terminating' || this.#state === 'killing';
  }

  /** From here on workers serve. */
  run(): void {
    if (this.isStopping) return;
    this.#state = 'running';
    this.#pools.run();
    this.#options.predecessor?.retire(this.#config.global.processControlTimeout * 1000);
    this.#systemd.ready();
    if (this.#isReloadWanted) this.onSignal('SIGUSR2');
  }

  /**
   * A stop is asked for by a signal.
   *
   * @returns when nothing is left but this process, or what is left does not end: the exit code
   */
  async untilStopped(): Promise<number> {
    await this.#stopAsked;
    const { predecessor } = this.#options;
    const ended = Promise.all([this.#reloadDone, this.#pools.ended(), predecessor?.ended]);
    const isOver = await this.#inPatience(ended);
    clearTimeout(this.#killTimer);
    await this.#cleanUp();
    this.#log.notice('exiting, bye-bye!');
    return isOver ? EXIT_OK : EXIT_SOFTWARE;
  }

  /** @returns whether all has ended; if not, that has been told */
  async #inPatience(ended: Promise<unknown>): Promise<boolean> {
    const { signal } = this.#patienceOver;
    await Promise.race([ended, once(signal, 'abort')]);
    if (signal.aborted) this.#log.error('processes that were killed do not end; leaving them');
    return !signal.aborted;
  }

  /** Takes back a start that failed; what a predecessor still serves with stays. */
  async abandon(): Promise<void> {
    this.#state = 'killing';
    this.#pools.killWorkers();
    this.#pools.killZygotes();
    this.#killTimer = setTimeout(() => this.#patienceOver.abort(), LAST_PATIENCE_MS);
    await this.#inPatience(this.#pools.ended());
    clearTimeout(this.#killTimer);
    const hasPredecessor = this.#options.predecessor !== undefined;
    if (hasPredecessor) this.#pidFileInUse = undefined;
    await this.#cleanUp({ keepsInherited: hasPredecessor });
  }

  /** As if this process had received it. */
  onSignal(signal: MasterSignal): void {
    this.#log.debug(`received ${signal}`);
    const { next, action } = TRANSITIONS[this.#state][signal];
    if (STATE_NAMES[next] !== STATE_NAMES[this.#state])
      this.#log.debug(`switching to '${STATE_NAMES[next]}' state`);
    const hasLeft = next !== this.#state;
    this.#state = next;
    const boundMs = this.#config.global.processControlTimeout * 1000;
    switch (action) {
      case 'ignore':
        return;
      case 'reopen logs':
        this.reopenLogs();
        return;
      case 'reload':
        this.#reloadDone = this.#isNewVersionInstalled() ? this.#upgradeOrReload() : this.#reload();
        return;
      case 'reload again':
        this.#isReloadWanted = true;
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

  /** A reload like that of USR2, for somebody who waits for what it comes to. */
  reload(): Promise<MasterOutcome> {
    if (this.isStopping) return Promise.resolve({ isComplete: false, summary: 'the master is stopping' });
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.onSignal('SIGUSR2');
    });
  }

  /**
   * Replaces the program of this process by the one that is installed now.
   *
   * @returns only if that is refused or fails; then the present one serves on
   */
  async upgrade(): Promise<MasterOutcome> {
    if (this.#state !== 'running') return { isComplete: false, summary: `not while ${this.#state}` };
    this.#state = 'reloading';
    const upgraded = this.#upgrade();
    this.#reloadDone = upgraded;
    const outcome = await upgraded;
    this.#goOn();
    return outcome;
  }

  /** As php-fpm: the access logs follow, unless the error log has failed. */
  reopenLogs(): MasterOutcome {
    try {
      this.#options.errorLog.reopen();
      this.#log.notice('error log file re-opened');
    } catch (error) {
      if (!(error instanceof LogOpenError)) throw error;
      this.#log.error(error.message);
      this.#log.error('unable to re-opened error log file');
      return { isComplete: false, summary: error.message };
    }
    if (this.#accessLogs.isEmpty) return { isComplete: true, summary: 'error log file re-opened' };
    const failures = this.#accessLogs.reopen();
    for (const line of failures) this.#log.error(line);
    if (failures.length === 0) this.#log.notice('access log file re-opened');
    else this.#log.error('unable to re-opened access log file');
    return {
      isComplete: failures.length === 0,
      summary: failures[0] ?? 'error log file re-opened; access log file re-opened',
    };
  }

  #isNewVersionInstalled(): boolean {
    try {
      return ownVersion() !== this.#options.version;
    } catch {
      return false; // an installation is under way, or broken: reload with what runs
    }
  }

  /** USR2 after an installation: where the new program cannot take over, the present one reloads as it was asked to. */
  async #upgradeOrReload(): Promise<void> {
    await this.#upgrade();
    if (!this.isStopping) await this.#reload();
  }

  async #upgrade(): Promise<MasterOutcome> {
    this.#log.notice('Upgrade in progress ...');
    const reason = await this.#becomeNewProgram();
    const outcome = {
      isComplete: false,
      summary: `upgrade refused: ${reason}; the running program serves on`,
    };
    this.#log.error(outcome.summary);
    this.#lastUpgrade = outcome;
    return outcome;
  }

  /** As an upgrade, to whatever is installed: what a mistake has left half done ends with this program. */
  async #restart(): Promise<void> {
    this.#isRestartDue = false;
    this.#log.notice('Restart in place in progress ...');
    const before = this.#restarts;
    this.#restarts = withRestart(before, monotonicMs());
    const reason = await this.#becomeNewProgram();
    this.#log.error(`restart in place refused: ${reason}; the running program serves on`);
    this.#scheduleRestart();
    this.#goOn();
  }

  #scheduleRestart(): Milliseconds {
    const delayMs = restartDelay(this.#restarts, monotonicMs());
    this.#restartTimer ??= setTimeout(() => {
      this.#restartTimer = undefined;
      this.#isRestartDue = true;
      if (this.state === 'running') this.#goOn();
    }, delayMs);
    return delayMs;
  }

  /** After a reload, an upgrade, a restart: what was asked for meanwhile. */
  #goOn(): void {
    if (this.isStopping) {
      for (const resolve of this.#waiting.splice(0))
        resolve({ isComplete: false, summary: 'the master is stopping' });
    } else if (this.#isRestartDue) {
      this.#state = 'reloading';
      this.#reloadDone = this.#restart();
    } else if (this.#isReloadWanted || this.#waiting.length > 0) {
      this.onSignal('SIGUSR2');
    }
  }

  /** @returns only if that fails, the reason; then the present program serves on */
  async #becomeNewProgram(): Promise<string> {
    let reason = 'internal error';
    try {
      reason = await this.#tryToBecomeNewProgram();
    } catch (error) {
      reason = systemFailure(error) ?? reason;
      if (systemFailure(error) === undefined) this.#log.alert(mistakeText(error));
    }
    if (!this.isStopping) {
      this.#state = 'running';
      this.#systemd.ready();
    }
    return reason;
  }

  async #tryToBecomeNewProgram(): Promise<string> {
    this.#systemd.reloading();
    const failure = await tryNewProgram({ ...this.#options.environment }, this.#stop.signal);
    if (failure !== undefined) return `the installed program cannot take over: ${failure}`;
    for (const pool of this.#pools.pools()) pool.flushRequestLogs();
    await this.#accessLogs.idle();
    if (this.isStopping) return 'the master is stopping';
    const { environment, notify, isForeground } = this.#options;
    this.#log.notice(
      `upgrading: execve(${ownCommand()
        .map((word) => `"${word}"`)
        .join(', ')})`,
    );
    return becomeNewProgram({
      ...this.#pools.handOver(),
      isBackground: !isForeground,
      pidFile: this.#pidFileInUse,
      restarts: this.#restarts,
      environment: { ...environment, ...notify?.variables },
    }).message;
  }

  /** For systemd's status line. */
  #load(): ServiceLoad {
    const pools = this.#pools.pools().map((pool) => poolStatus(pool, performance.now()));
    const sum = (value: (pool: PoolStatus) => number) =>
      pools.reduce((total, pool) => total + value(pool), 0);
    return {
      active: sum(({ active }) => active),
      idle: sum(({ idle }) => idle),
      requests: pools.reduce((total, { acceptedConn }) => total + acceptedConn, 0n),
      slow: pools.reduce((total, { slowRequests }) => total + slowRequests, 0n),
    };
  }

  /** An exception that nobody foresaw, wherever it was thrown. */
  #onMistake(error: unknown): void {
    if (this.isStopping) {
      this.#log.alert(mistakeText(error));
    } else if (this.#state === 'starting') {
      this.#log.alert(mistakeText(error, 'the start ends'));
      this.#failStart?.(new StartFailure('internal error', EXIT_SOFTWARE));
    } else {
      const delayMs = this.#scheduleRestart();
      const when = delayMs > 0 ? ` in ${Math.ceil(delayMs / 1000)} s` : '';
      this.#log.alert(mistakeText(error, `the master restarts in place${when}, and the service goes on`));
    }
  }

  async #reload(): Promise<void> {
    this.#state = 'reloading';
    this.#isReloadWanted = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#log.notice('Reloading in progress ...');
    this.#systemd.reloading();
    const { sockets } = this.#pools.handOver();
    const outcome = await this.#goOver().catch((error: unknown): ReloadOutcome => {
      this.#onMistake(error);
      return { isComplete: false, isInForce: false, summary: 'reload failed: internal error' };
    });
    if (outcome.isComplete) this.#reloads.succeeded++;
    else this.#reloads.failed++;
    this.#reloads.isLastComplete = outcome.isComplete;
    if (outcome.isComplete) this.#reloads.lastEpochMs = Date.now();
    if (outcome.isInForce && !this.isStopping) tellReloaded(this.#log, sockets);
    if (outcome.isComplete) this.#log.debug(outcome.summary);
    else this.#log.error(outcome.summary);
    for (const resolve of waiting) resolve(outcome);
    if (this.isStopping) {
      // A stop came meanwhile: what the reload has started goes with the rest.
      if (this.state === 'killing') this.#pools.killWorkers();
      else this.#pools.drain();
    } else {
      this.#state = 'running';
      this.#systemd.ready();
    }
    this.#goOn();
  }

  /** The file is read and checked whole before anything changes. */
  async #goOver(): Promise<ReloadOutcome> {
    const refused = { isComplete: false, isInForce: false };
    const next = this.#readConfig();
    if (next === undefined)
      return { ...refused, summary: 'reload refused: the configuration in force stays' };
    const report = await this.#pools.reload(next);
    if (this.isStopping) return { ...refused, summary: 'reload given up: the master is stopping' };
    const isInForce = hasChangedPools(report);
    if (isInForce) tellReloading(this.#log, process.argv.slice(1));
    const problems = [...report.failed.map(({ pool }) => `pool ${pool}`), ...(await this.#applyGlobal(next))];
    this.#config = next;
    return { isComplete: problems.length === 0, isInForce, summary: reloadSummary(report, problems) };
  }

  /** @returns undefined where it is not good, or cannot be read now; that has been told */
  #readConfig(): Config | undefined {
    try {
      return this.#options.readConfig();
    } catch (error) {
      const failure = systemFailure(error);
      if (failure === undefined) throw error;
      this.#log.error(failure);
      return undefined;
    }
  }

  /** @returns what could not be applied */
  async #applyGlobal(config: Config): Promise<string[]> {
    const { global } = config;
    this.#systemd.configure(systemdInterval(config));
    const problems: string[] = [];
    const attempt = async (what: string, apply: () => unknown) => {
      try {
        await apply();
      } catch (error) {
        this.#log.error(errorText(error));
        problems.push(what);
      }
    };
    await attempt('error_log', () => this.#options.errorLog.change(global));
    await attempt('pid', () => this.#usePidFile(global.pid ?? this.#options.pidFile));
    await attempt('http.listen', () => this.#servers.openHttp(global.httpListen, global.httpHosts));
    await attempt('control.listen', () =>
      this.#servers.openControl(global.controlListen, this.#pidFileInUse),
    );
    return problems;
  }

  /** @throws Error with php-fpm's words */
  #usePidFile(path: string | undefined): void {
    if (path === this.#pidFileInUse) return;
    if (path !== undefined) writePidFile(path);
    const old = this.#pidFileInUse;
    this.#pidFileInUse = path;
    if (old !== undefined) removePidFile(old);
  }

  /** @param boundMs 0 is none */
  #drain(boundMs: Milliseconds): void {
    if (boundMs > 0) this.#killAfter(boundMs, () => this.#kill());
    this.#beginStop();
    this.#pools.drain();
    this.#options.predecessor?.retire();
  }

  #kill(): void {
    this.#state = 'killing';
    this.#killAfter(ZYGOTE_PATIENCE_MS, () => {
      this.#killAfter(LAST_PATIENCE_MS, () => this.#patienceOver.abort());
      this.#pools.killZygotes();
      this.#options.predecessor?.killZygotes();
    });
    this.#beginStop();
    this.#pools.killWorkers();
    this.#options.predecessor?.killWorkers();
  }

  /** What comes next if that does not end it: set before anything else can fail. */
  #killAfter(delayMs: Milliseconds, kill: () => void): void {
    clearTimeout(this.#killTimer);
    this.#killTimer = setTimeout(kill, delayMs);
  }

  #beginStop(): void {
    clearTimeout(this.#restartTimer);
    this.#spare.release();
    this.#stop.abort();
    this.#systemd.stopping();
  }

  /** Whatever of it fails, the rest is done. */
  async #cleanUp({ keepsInherited = false } = {}): Promise<void> {
    const attempt = async (act: () => unknown) => {
      try {
        await act();
      } catch (error) {
        this.#log.error(errorText(error));
      }
    };
    this.#spare.release();
    this.#systemd.close();
    await attempt(() => this.#servers.close());
    await attempt(() => this.#pools.close({ keepsInherited }));
    // A predecessor's workers may write to the same files.
    await attempt(() => (keepsInherited ? this.#accessLogs.keep([]) : this.#accessLogs.close()));
    closeSync(this.#libraryFd);
    const pidFile = this.#pidFileInUse;
    if (pidFile !== undefined) await attempt(() => removePidFile(pidFile));
  }
}

function systemdInterval({ global, written }: Config): IntervalSetting {
  return { intervalS: global.systemdInterval, isSet: written.includes('systemd_interval') };
}

function monotonicMs(): Milliseconds {
  return Number(monotonicClockUs()) / 1000;
}

function openLibrary(log: MasterLog): Fd {
  try {
    return openSync(RUNTIME_LIBRARY, 'r');
  } catch {
    log.error(`the runtime library '${RUNTIME_LIBRARY}' is missing; build it with: npm run build`);
    throw new StartFailure('no runtime library');
  }
}
