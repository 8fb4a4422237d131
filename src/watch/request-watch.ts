import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PoolConfig } from '../config/config.js';
import { errorText } from '../errors.js';
import type { MasterLog } from '../log/master-log.js';
import { wallClockUs } from '../os/clock.js';
import { asSystemError } from '../os/libc.js';
import { requestFields } from '../request/fields.js';
import type { SlotGlance, SlotSnapshot } from '../scoreboard/scoreboard.js';
import type { Backtrace } from '../slowlog/backtrace.js';
import { backtraceText, formatEntry } from '../slowlog/entry.js';
import { appendToFile } from '../slowlog/file.js';
import { CannotTrace, type Trace } from '../slowlog/tracer.js';
import { lineText } from '../text/harmless.js';
import type { Milliseconds, Nanoseconds, Pid } from '../units.js';
import { requestLine, requestText, secondsText } from './request-words.js';

/** What a watch needs of its generation. */
export interface WatchParts {
  readonly pool: PoolConfig;
  readonly log: MasterLog;
  /** Workers that may have a request in hand. */
  readonly workers: () => readonly { readonly slot: number; readonly pid: Pid }[];
  readonly glance: (slot: number) => SlotGlance | undefined;
  readonly snapshot: (slot: number) => SlotSnapshot | undefined;
  /** @throws CannotTrace */
  readonly trace: (pid: Pid, depth: number) => Promise<Trace>;
  /** The worker is to end that request, and itself. */
  readonly timeOut: (slot: number, pid: Pid, requestStartNs: Nanoseconds) => void;
  /** The worker has not ended: kills it, if it has that request still in hand. */
  readonly kill: (slot: number, pid: Pid, requestStartNs: Nanoseconds) => void;
  readonly onSlow: () => void;
}

/** A request that was found to be slow, or was ended. */
interface Noted {
  readonly pid: Pid;
  readonly requestStartNs: Nanoseconds;
  readonly notedAtNs: Nanoseconds;
  isSlow: boolean;
  /** When it was ended. */
  timedOutAtNs?: Nanoseconds;
  isKilled: boolean;
  /** Its backtrace is being read; nothing else is done about it meanwhile. */
  isBusy: boolean;
}

/** How log lines name a request. */
interface About {
  readonly pid: Pid;
  readonly script: string;
  readonly request: string;
  /** Script and request, in php-fpm's words. */
  readonly text: string;
  readonly seconds: string;
}

/** How long a worker may take to end its request when told to, before it is killed. */
const OBEDIENCE_NS: Nanoseconds = 1_000_000_000n;
/** The least time between two checks, however short the timeouts are. */
const SHORTEST_PAUSE_MS: Milliseconds = 5;
/** Node's timers take no more than 25 days. */
const LONGEST_PAUSE_MS: Milliseconds = 3_600_000;
/** For a request that is due but not in PHP yet, or being dealt with: when to check it again. */
const AGAIN_MS: Milliseconds = 50;
const NS_PER_MS = 1_000_000;

const toNs = (seconds: number): Nanoseconds => BigInt(Math.round(seconds * 1e9));

/**
 * `request_slowlog_timeout` and `request_terminate_timeout` of one generation. Checks the workers when one of their
 * requests may be due. Where none is, it checks after the shortest of the timeouts: no request that begins meanwhile is
 * due before that.
 */
export class RequestWatch {
  readonly #parts: WatchParts;
  readonly #slowNs: Nanoseconds;
  readonly #endNs: Nanoseconds;
  readonly #notedBySlot = new Map<number, Noted>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  /** Backtraces are read one at a time, so that many of them do not hold up the master. */
  #traces: Promise<unknown> = Promise.resolve();

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#slowNs = toNs(parts.pool.requestSlowlogTimeout);
    this.#endNs = toNs(parts.pool.requestTerminateTimeout);
  }

  /** There is a worker. */
  wake(): void {
    if (this.#isStopped || this.#timer !== undefined || this.#shortestNs === 0n) return;
    this.#checkIn(this.#shortestNs);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Whether a worker has ended because its request had to end. */
  hasTimedOut(slot: number, pid: Pid): boolean {
    const noted = this.#notedBySlot.get(slot);
    if (noted?.pid !== pid || noted.timedOutAtNs === undefined) return false;
    // It may have ended that request in time and died of another. A slot that cannot be read is that of a worker which
    // died while it wrote there.
    const glance = this.#glance(slot);
    return glance === undefined || glance.requestStartNs === noted.requestStartNs;
  }

  /** 0: nothing is to be watched. */
  get #shortestNs(): Nanoseconds {
    const set = [this.#slowNs, this.#endNs].filter((ns) => ns > 0n);
    return set.reduce((least, ns) => (ns < least ? ns : least), set[0] ?? 0n);
  }

  #checkIn(ns: Nanoseconds): void {
    // A millisecond later: timers may be early by a part of one.
    const ms = Math.min(Math.max(Number(ns) / NS_PER_MS + 1, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.#timer = setTimeout(() => this.#checkAll(), ms);
    this.#timer.unref();
  }

  #checkAll(): void {
    this.#timer = undefined;
    if (this.#isStopped) return;
    const workers = this.#parts.workers();
    let nextNs = this.#shortestNs;
    for (const { slot, pid } of workers) {
      const dueNs = this.#check(slot, pid, process.hrtime.bigint());
      if (dueNs !== undefined && dueNs < nextNs) nextNs = dueNs;
    }
    if (workers.length > 0) this.#checkIn(nextNs);
  }

  /** @returns in how long this worker is to be checked again; undefined: its next request decides */
  #check(slot: number, pid: Pid, nowNs: Nanoseconds): Nanoseconds | undefined {
    const glance = this.#glance(slot);
    if (glance === undefined || !this.#isRequest(glance)) return undefined;
    const startNs = glance.requestStartNs;
    const last = this.#notedBySlot.get(slot);
    const noted = last?.pid === pid && last.requestStartNs === startNs ? last : undefined;
    // A worker's next request begins after the last one was noted. Without this rule a false slot would be due at
    // each check.
    const earliestNs = noted === undefined && last?.pid === pid ? last.notedAtNs : startNs;
    const ageNs = nowNs - (startNs > earliestNs ? startNs : earliestNs);
    const againNs = BigInt(AGAIN_MS * NS_PER_MS);
    if (noted?.isBusy) return againNs;
    if (noted?.timedOutAtNs !== undefined) {
      const leftNs = noted.timedOutAtNs + OBEDIENCE_NS - nowNs;
      if (leftNs > 0n) return leftNs;
      if (!noted.isKilled) this.#kill(slot, noted);
      return againNs;
    }
    const isSlowDue = this.#slowNs > 0n && !noted?.isSlow;
    if (isSlowDue && ageNs >= this.#slowNs && glance.stage === 'executing') {
      this.#begin(slot, pid, startNs, noted, (request) => this.#logSlow(slot, request));
      return againNs;
    }
    if (this.#endNs > 0n && ageNs >= this.#endNs) {
      this.#begin(slot, pid, startNs, noted, (request) => this.#timeOut(slot, request));
      return againNs;
    }
    const waits = [
      ...(isSlowDue ? [ageNs >= this.#slowNs ? againNs : this.#slowNs - ageNs] : []),
      ...(this.#endNs > 0n ? [this.#endNs - ageNs] : []),
    ];
    return waits.reduce<Nanoseconds | undefined>(
      (least, ns) => (least === undefined || ns < least ? ns : least),
      undefined,
    );
  }

  /**
   * Something of a client has arrived and is not done with. While a connection has sent nothing the slot shows the
   * start of the request before; a worker that waits for a kept-alive client is idle.
   */
  #isRequest({ stage, requestStartNs, idleSinceNs }: SlotGlance): boolean {
    if (requestStartNs < idleSinceNs) return false;
    if (stage === 'finished') return this.#parts.pool.requestTerminateTimeoutTrackFinished;
    return stage === 'reading headers' || stage === 'info' || stage === 'executing';
  }

  /** A backtrace may be ready only after the scoreboard was closed. */
  #glance(slot: number): SlotGlance | undefined {
    return this.#isStopped ? undefined : this.#parts.glance(slot);
  }

  #snapshot(slot: number): SlotSnapshot | undefined {
    return this.#isStopped ? undefined : this.#parts.snapshot(slot);
  }

  #isStillThere(slot: number, { pid, requestStartNs }: Noted): boolean {
    const glance = this.#glance(slot);
    return (
      glance?.requestStartNs === requestStartNs &&
      this.#isRequest(glance) &&
      this.#parts.workers().some((worker) => worker.slot === slot && worker.pid === pid)
    );
  }

  #begin(
    slot: number,
    pid: Pid,
    requestStartNs: Nanoseconds,
    known: Noted | undefined,
    act: (noted: Noted) => Promise<void>,
  ): void {
    const notedAtNs = process.hrtime.bigint();
    const noted = known ?? { pid, requestStartNs, notedAtNs, isSlow: false, isKilled: false, isBusy: false };
    noted.isBusy = true;
    this.#notedBySlot.set(slot, noted);
    this.#traces = this.#traces
      .then(async () => {
        if (!this.#isStopped && this.#isStillThere(slot, noted)) await act(noted);
        await nextTurn();
      })
      .catch((error: Error) => {
        // No failure here may end the master, or keep the next request from being dealt with.
        this.#parts.log.error(`[pool ${this.#parts.pool.name}] child ${pid}: ${error.message}`);
      })
      .finally(() => {
        noted.isBusy = false;
      });
  }

  async #logSlow(slot: number, noted: Noted): Promise<void> {
    const { pool, log, onSlow } = this.#parts;
    const { pid } = noted;
    const about = this.#about(slot, noted);
    noted.isSlow = true;
    onSlow();
    log.warning(
      `[pool ${pool.name}] child ${pid}, ${about.text} executing too slow (${about.seconds} sec), logging`,
      { pool: pool.name, pid },
    );
    await this.#writeEntry(about, await this.#trace(pid));
  }

  async #timeOut(slot: number, noted: Noted): Promise<void> {
    const { pool, log, timeOut } = this.#parts;
    const { pid } = noted;
    const trace = await this.#trace(pid);
    if (!this.#isStillThere(slot, noted)) return;
    const about = this.#about(slot, noted);
    noted.timedOutAtNs = process.hrtime.bigint();
    log.warning(
      `[pool ${pool.name}] child ${pid}, ${about.text} execution timed out (${about.seconds} sec), terminating`,
      { pool: pool.name, pid },
    );
    timeOut(slot, pid, noted.requestStartNs);
    if (pool.slowlog) await this.#writeEntry(about, trace);
    else if (trace !== undefined && (trace.frames.length > 0 || trace.running !== undefined))
      log.warning(`[pool ${pool.name}] child ${pid} was at: ${backtraceText(trace)}`, {
        pool: pool.name,
        pid,
      });
  }

  #kill(slot: number, noted: Noted): void {
    const { pool, log, kill } = this.#parts;
    noted.isKilled = true;
    const { text, seconds } = this.#about(slot, noted);
    log.warning(
      `[pool ${pool.name}] child ${noted.pid}, ${text} execution timed out (${seconds} sec) ` +
        'and did not end when told to, killing it',
      { pool: pool.name, pid: noted.pid },
    );
    kill(slot, noted.pid, noted.requestStartNs);
  }

  #about(slot: number, { pid, requestStartNs }: Noted): About {
    const params = this.#snapshot(slot)?.params ?? Buffer.alloc(0);
    return {
      pid,
      script: lineText(requestFields(params).script),
      request: requestLine(params),
      text: requestText({ params }),
      seconds: secondsText(process.hrtime.bigint() - requestStartNs),
    };
  }

  /** Logs php-fpm's messages around it. @returns undefined where there is no backtrace; then the log says why */
  async #trace(pid: Pid): Promise<Backtrace | undefined> {
    const { pool, log, trace } = this.#parts;
    const fields = { pool: pool.name, pid };
    try {
      log.notice(`about to trace ${pid}`, fields);
      const { backtrace, stoppedMs } = await trace(pid, pool.requestSlowlogTraceDepth);
      if (stoppedMs > 0) log.notice(`child ${pid} stopped for tracing`, fields);
      log.notice(`finished trace of ${pid}`, fields);
      log.debug(`child ${pid} was stopped for ${stoppedMs.toFixed(3)} ms`, fields);
      return backtrace;
    } catch (error) {
      const reason = errorText(error);
      // Any other error is a mistake of this program; the request is ended all the same.
      log[error instanceof CannotTrace ? 'notice' : 'error'](
        `no backtrace of child ${pid}: ${reason}`,
        fields,
      );
      return undefined;
    }
  }

  async #writeEntry(
    { pid, script, request, seconds }: About,
    backtrace: Backtrace | undefined,
  ): Promise<void> {
    const { pool, log } = this.#parts;
    if (!pool.slowlog) return;
    const entry = { timeUs: wallClockUs(), pool: pool.name, pid, script, request, seconds };
    try {
      await appendToFile(pool.slowlog, formatEntry({ ...entry, backtrace }));
    } catch (error) {
      log.error(`unable to open slowlog (${pool.slowlog})${asSystemError(error).suffix}`, {
        pool: pool.name,
      });
    }
  }
}
