import { EXIT_OK, EXIT_SOFTWARE, StartFailure, unreachable } from '../errors.js';
import type { Logger } from '../log/levels.js';
import type { PoolSet } from '../reload/pool-set.js';
import type { SystemdService } from '../systemd/service.js';
import type { Milliseconds } from '../units.js';
import type { Orphans } from '../zygote/orphans.js';
import { directivesIgnoredWithoutRoot } from './ignored-directives.js';
import { mistakeText, type RestartHistory } from './mistakes.js';
import { type Outcome, troubleOf } from './outcome.js';
import type { PidFile } from './pid-file.js';
import type { Reloads } from './reloads.js';
import type { Restarts } from './restarts.js';
import type { Servers } from './servers.js';
import { Stop, type StopParts } from './stop.js';
import {
  MASTER_SIGNALS,
  type MasterSignal,
  type MasterState,
  STATE_NAMES,
  TRANSITIONS,
} from './transitions.js';

/** Replaces the program of this process. A call that returns has failed, and the present program serves on. */
export interface MasterUpgrader {
  /** Another version than the one that runs. */
  isNewVersionInstalled(): boolean;
  upgrade(restarts: RestartHistory, stop: AbortSignal): Promise<Outcome>;
  /** Like an upgrade, but after a mistake of the running program, and to any installed version. */
  restart(restarts: RestartHistory, stop: AbortSignal): Promise<void>;
}

/** What the master holds together. */
export interface MasterParts extends StopParts {
  readonly isRoot: boolean;
  readonly orphans: Pick<Orphans, 'reap'>;
  readonly pools: StopParts['pools'] & Pick<PoolSet, 'start' | 'run'>;
  readonly reloads: Pick<Reloads, 'config' | 'perform'>;
  readonly restarts: Restarts;
  readonly upgrader: MasterUpgrader;
  readonly servers: StopParts['servers'] & Pick<Servers, 'openHttp' | 'openControl'>;
  readonly systemd: StopParts['systemd'] & Pick<SystemdService, 'ready' | 'reloading'>;
  readonly pidFile: PidFile;
  readonly reopenLogs: () => Outcome;
}

const STOPPING: Outcome = { isComplete: false, summary: 'the master is stopping' };

/** The master process: states, signals, the way up and down. Decides nothing about single pools. */
export class Master {
  readonly #parts: MasterParts;
  readonly #log: Logger;
  #state: MasterState = 'starting';
  #failStart: ((error: Error) => void) | undefined;
  #isReloadWanted = false;
  /** The reload, upgrade or restart of state reloading. */
  #underWay: Promise<unknown> = Promise.resolve();
  /** Callers that wait for the reload after the present one. */
  #waiting: ((outcome: Outcome) => void)[] = [];
  readonly #stop: Stop;

  constructor(parts: MasterParts) {
    this.#parts = parts;
    this.#log = parts.log;
    this.#stop = new Stop(parts);
  }

  get state(): MasterState {
    return this.#state;
  }

  /** A stop was asked for. */
  get isStopping(): boolean {
    return this.#state === 'finishing' || this.#state === 'terminating' || this.#state === 'killing';
  }

  /** Signals are taken in hand before the first child exists. */
  takeSignals(): void {
    for (const signal of MASTER_SIGNALS) process.on(signal, () => this.onSignal(signal));
    process.on('SIGCHLD', () => this.#parts.orphans.reap());
    // A mistake of this program must not end a service that runs: workers need the master only for what changes.
    process.on('uncaughtException', (error) => this.onMistake(error));
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
    const { isRoot, reloads, pools, servers, pidFile } = this.#parts;
    const { config } = reloads;
    const { global } = config;
    if (!isRoot) for (const line of directivesIgnoredWithoutRoot(config)) this.#log.notice(line);
    await Promise.race([pools.start(config), this.#stop.begun]);
    if (this.isStopping) return;
    await servers.openHttp(global.httpListen, global.httpHosts);
    pidFile.use(global.pid);
    await servers.openControl(global.controlListen, pidFile.path);
  }

  /** From here on workers serve. */
  run(): void {
    if (this.isStopping) return;
    const { pools, formerProgram, systemd } = this.#parts;
    this.#state = 'running';
    pools.run();
    formerProgram?.retire(this.#boundMs);
    systemd.ready();
    if (this.#isReloadWanted) this.onSignal('SIGUSR2');
  }

  /** Acts like the process on a signal that it receives. */
  onSignal(signal: MasterSignal): void {
    this.#log.debug(`received ${signal}`);
    const { next, action } = TRANSITIONS[this.#state][signal];
    if (STATE_NAMES[next] !== STATE_NAMES[this.#state])
      this.#log.debug(`switching to '${STATE_NAMES[next]}' state`);
    const hasLeft = next !== this.#state;
    this.#state = next;
    switch (action) {
      case 'ignore':
        return;
      case 'reopen logs':
        this.#parts.reopenLogs();
        return;
      case 'reload':
        this.#underWay = this.#parts.upgrader.isNewVersionInstalled()
          ? this.#upgradeOrReload()
          : this.#reload();
        return;
      case 'reload again':
        this.#isReloadWanted = true;
        return;
      case 'finish':
        this.#log.notice('Finishing ...');
        this.#drain();
        return;
      case 'terminate':
        this.#log.notice('Terminating ...');
        if (this.#boundMs > 0) this.#drain();
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

  /** An exception that nobody foresaw, wherever it was thrown. */
  onMistake(error: unknown): void {
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

  /** A reload like that of USR2, for a caller that waits for its outcome. */
  reload(): Promise<Outcome> {
    if (this.isStopping) return Promise.resolve(STOPPING);
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
  async upgrade(): Promise<Outcome> {
    if (this.#state !== 'running') return { isComplete: false, summary: `not while ${this.#state}` };
    this.#state = 'reloading';
    const upgraded = this.#upgrade();
    this.#underWay = upgraded;
    const outcome = await upgraded;
    this.#goOn();
    return outcome;
  }

  async #reload(): Promise<void> {
    const { reloads, pools, systemd } = this.#parts;
    this.#state = 'reloading';
    this.#isReloadWanted = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    systemd.reloading();
    const outcome = await reloads.perform(() => this.isStopping);
    for (const resolve of waiting) resolve(outcome);
    if (!this.isStopping) this.#serve(outcome);
    // A stop came meanwhile: what the reload has started ends with the rest.
    else if (this.state === 'killing') pools.killWorkers();
    else pools.drain();
    this.#goOn();
  }

  /** USR2 after an installation: where the new program cannot take over, the present one reloads as it was asked to. */
  async #upgradeOrReload(): Promise<void> {
    await this.#upgrade();
    if (!this.isStopping) await this.#reload();
  }

  async #upgrade(): Promise<Outcome> {
    const { upgrader, restarts, systemd } = this.#parts;
    systemd.reloading();
    const outcome = await upgrader.upgrade(restarts.history, this.#stop.signal);
    if (!this.isStopping) this.#serve(outcome);
    return outcome;
  }

  /** Like an upgrade: what a mistake has left half done ends with this program. */
  async #restart(): Promise<void> {
    const { upgrader, restarts, systemd } = this.#parts;
    systemd.reloading();
    restarts.begin();
    await upgrader.restart(restarts.history, this.#stop.signal);
    if (!this.isStopping) this.#serve();
    this.#scheduleRestart();
    this.#goOn();
  }

  #scheduleRestart(): Milliseconds {
    return this.#parts.restarts.schedule(() => {
      if (this.#state === 'running') this.#goOn();
    });
  }

  /** A reload, an upgrade or a restart is over. */
  #serve(outcome?: Outcome): void {
    this.#state = 'running';
    this.#parts.systemd.ready(outcome && troubleOf(outcome));
  }

  /** After a reload, an upgrade or a restart: does what was asked for meanwhile. */
  #goOn(): void {
    if (this.isStopping) {
      for (const resolve of this.#waiting.splice(0)) resolve(STOPPING);
    } else if (this.#parts.restarts.isDue) {
      this.#state = 'reloading';
      this.#underWay = this.#restart();
    } else if (this.#isReloadWanted || this.#waiting.length > 0) {
      this.onSignal('SIGUSR2');
    }
  }

  /** `process_control_timeout`; 0 is none. */
  get #boundMs(): Milliseconds {
    return this.#parts.reloads.config.global.processControlTimeout * 1000;
  }

  #drain(): void {
    this.#stop.drain(this.#boundMs, () => this.#kill());
  }

  #kill(): void {
    this.#state = 'killing';
    this.#stop.kill();
  }

  /** @returns the exit code, after a stop that a signal has asked for */
  async untilStopped(): Promise<number> {
    await this.#stop.begun;
    const hasEnded = await this.#stop.complete(this.#underWay);
    this.#log.notice('exiting, bye-bye!');
    return hasEnded ? EXIT_OK : EXIT_SOFTWARE;
  }

  /** Takes back a start that failed; what a former program still serves with stays. */
  async abandon(): Promise<void> {
    this.#state = 'killing';
    await this.#stop.abandon();
  }
}
