import type { Logger } from '../log/levels.js';
import { monotonicClockUs } from '../os/clock.js';
import type { Milliseconds, Pid, Seconds } from '../units.js';
import { type Notification, notify } from './notify.js';
import type { NotifyEnvironment } from './notify-environment.js';
import { loadStatus, READY_STATUS, type ServiceLoad, statusWith } from './status-text.js';

/** Node lets a longer timer fire at once. */
const LONGEST_TIMER_MS: Milliseconds = 2 ** 31 - 1;

/** `systemd_interval`, and whether the file sets it: only then a warning tells that a watchdog overrides it. */
export interface IntervalSetting {
  /** 0 is off. */
  readonly intervalS: Seconds;
  readonly isSet: boolean;
}

export interface SystemdServiceOptions extends IntervalSetting {
  /** From {@link takeNotifyEnvironment}; with undefined, the object does nothing. */
  readonly environment: NotifyEnvironment | undefined;
  /** Called once an interval; should cost little. */
  readonly load: () => ServiceLoad;
  readonly log: Logger;
  /** Default: this process. */
  readonly pid?: Pid;
  /** A monotonic clock. Default: performance.now. */
  readonly nowMs?: () => Milliseconds;
}

/**
 * Notifies systemd: php-fpm's messages, and those of a reload. If systemd does not listen, nothing is sent,
 * logged or timed. A failure to send is logged once, and the service goes on.
 */
export class SystemdService {
  readonly #options: SystemdServiceOptions;
  readonly #nowMs: () => Milliseconds;
  #interval: IntervalSetting;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;
  #isBeating = false;
  #trouble: string | undefined;
  #requestsBefore = 0n;
  #shownAtMs: Milliseconds;

  constructor(options: SystemdServiceOptions) {
    this.#options = options;
    this.#interval = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#shownAtMs = this.#nowMs();
  }

  /**
   * The service serves: for the first time, or again after {@link reloading}, whether the reload succeeded or not.
   *
   * @param trouble what the administrator has to know, shown until the next call
   */
  ready(trouble?: string): void {
    this.#trouble = trouble;
    if (this.#options.environment === undefined) return;
    const status = statusWith(trouble, READY_STATUS);
    const mainPid = this.#options.pid ?? process.pid;
    if (this.#send({ ready: true, status, mainPid }, 'start'))
      this.#options.log.debug('have notify start to systemd');
    if (this.#isBeating) return;
    this.#isBeating = true;
    this.#startTimer();
  }

  /** A reload begins; systemd waits for {@link ready}. */
  reloading(status?: string): void {
    this.#send({ reloadingSinceUs: monotonicClockUs(), ...(status === undefined ? {} : { status }) });
  }

  /** The service stops, which may take some time. */
  stopping(status?: string): void {
    this.#send({ stopping: true, ...(status === undefined ? {} : { status }) });
  }

  status(text: string): void {
    this.#send({ status: text });
  }

  /** Takes `systemd_interval` after a reload, which may have changed it. */
  configure(interval: IntervalSetting): void {
    const { intervalS, isSet } = this.#interval;
    if (interval.intervalS === intervalS && interval.isSet === isSet) return;
    this.#interval = interval;
    if (this.#isBeating) this.#startTimer();
  }

  /** Ends the reports; to be called last, before the process exits or replaces its program. */
  close(): void {
    clearInterval(this.#timer);
    this.#isBeating = false;
  }

  /** Says how often reports come, in php-fpm's words, and starts them. */
  #startTimer(): void {
    const { environment, log } = this.#options;
    const { intervalS, isSet } = this.#interval;
    clearInterval(this.#timer);
    // Half of the watchdog's time. php-fpm ignores a watchdog of two seconds or less, which then kills it.
    const watchdogMs = Math.floor((environment?.watchdogMs ?? 0) / 2);
    if (watchdogMs > 0) {
      if (isSet && intervalS > 0) log.warning('systemd_interval option ignored');
      log.notice(`systemd watchdog configured to ${Number((watchdogMs / 1000).toPrecision(3))}sec`);
    }
    const everyMs = watchdogMs > 0 ? watchdogMs : intervalS * 1000;
    if (everyMs <= 0) {
      log.notice('systemd monitor disabled');
      return;
    }
    log.notice(`systemd monitor interval set to ${everyMs}ms`);
    this.#requestsBefore = this.#options.load().requests;
    this.#shownAtMs = this.#nowMs();
    this.#timer = setInterval(() => this.#beat(watchdogMs > 0), Math.min(everyMs, LONGEST_TIMER_MS));
    this.#timer.unref();
  }

  /** Sends a report without READY=1, which php-fpm repeats here: during a reload systemd would take it for its end. */
  #beat(hasWatchdog: boolean): void {
    const load = this.#options.load();
    const nowMs = this.#nowMs();
    const traffic = loadStatus(load, this.#requestsBefore, nowMs - this.#shownAtMs);
    this.#requestsBefore = load.requests;
    this.#shownAtMs = nowMs;
    this.#send({ status: statusWith(this.#trouble, traffic), ...(hasWatchdog ? { watchdog: true } : {}) });
  }

  /** @returns whether it was sent; after a failure the next one is tried all the same */
  #send(notification: Notification, what: 'start' | 'status' = 'status'): boolean {
    const { environment, log } = this.#options;
    if (environment === undefined) return false;
    const failure = notify(environment.socket, notification);
    if (failure !== undefined && !this.#hasFailed)
      log.warning(`failed to notify ${what} to systemd${failure.suffix}`);
    this.#hasFailed = failure !== undefined;
    return failure === undefined;
  }
}
