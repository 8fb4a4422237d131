import { availableParallelism } from 'node:os';
import type { AccessFormat } from '../accesslog/access-format.js';
import { endOf } from '../accesslog/record.js';
import type { AccessLogFile } from '../log/access-log-file.js';
import type { Logger } from '../log/levels.js';
import type { LineSource } from '../log/line-merge.js';
import { wallClockUs } from '../os/clock.js';
import { type RecordOrigin, readRecord } from '../scoreboard/log-record.js';
import { type LogBatch, LogRings } from '../scoreboard/log-rings.js';
import type { Scoreboard } from '../scoreboard/scoreboard.js';
import type { Bytes, Count, Milliseconds, Pid } from '../units.js';
import { LostRecords } from './lost-records.js';

/** Size of each worker's ring: room for a tenth of a second of requests that do nothing. */
export const LOG_RING_SIZE: Bytes = 256 * 1024;
/** How long records gather after the first, so that many lines are read and written at once. */
const GATHER_MS: Milliseconds = 50;
/** About as much is read before other work of the master has its turn; the last ring may have more. */
const MOST_AT_ONCE: Bytes = 64 * 1024;
/**
 * Whatever workers write, a pool's log takes a third of the master's time at most, and no more bytes a second than
 * requests that do nothing produce on all processors. Beyond that rings fill up, and records are lost.
 */
const REST_PER_WORK = 2;
const LONGEST_REST_MS: Milliseconds = 50;
const RATE: Bytes = 4 * 1024 * 1024 * Math.max(2, availableParallelism());

export interface RequestLogParts {
  readonly pool: string;
  /** Made with rings of {@link LOG_RING_SIZE}. */
  readonly scoreboard: Pick<Scoreboard, 'fd' | 'slotCount'>;
  readonly format: AccessFormat;
  readonly file: AccessLogFile;
  readonly log: Logger;
  /** Asks to be told by {@link RequestLog.onLogged} of the next request that ends. */
  readonly askToBeTold: () => void;
}

/**
 * Reads the records of requests that the workers of one generation leave in shared memory, and writes lines of the
 * access log from them. While requests end it polls every few milliseconds; when none do it sleeps until the zygote
 * wakes it.
 */
export class RequestLog {
  readonly #parts: RequestLogParts;
  readonly #rings: LogRings;
  readonly #lines: LineSource;
  readonly #originsBySlot = new Map<number, RecordOrigin>();
  readonly #textCount: Count;
  readonly #lost = new LostRecords((count, pids) => this.#reportLost(count, pids));
  #timer: NodeJS.Timeout | undefined;
  #nextSlot = 0;
  #isOrphaned = false;
  #isCutReported = false;

  constructor(parts: RequestLogParts) {
    this.#parts = parts;
    const { scoreboard, format, file } = parts;
    this.#lines = file.source();
    this.#rings = new LogRings(scoreboard.fd, scoreboard.slotCount, LOG_RING_SIZE);
    this.#textCount = format.fields.filter(({ kind }) => kind !== 'CPU').length;
  }

  /** A worker was forked; its ring is empty. */
  open(slot: number, origin: { readonly pid: Pid; readonly zygotePid: Pid }): void {
    this.#originsBySlot.set(slot, { pid: origin.pid, parentPid: origin.zygotePid });
    this.#rings.open(slot);
  }

  /**
   * A worker that was forked by the master's program before an upgrade: its ring is read from where that one stopped.
   */
  takeOver(slot: number, origin: { readonly pid: Pid; readonly zygotePid: Pid }): void {
    this.#originsBySlot.set(slot, { pid: origin.pid, parentPid: origin.zygotePid });
    this.#rings.openWhereLeft(slot);
  }

  /** The worker in that slot has ended: the records that it has left are logged. */
  close(slot: number): void {
    if (!this.#originsBySlot.has(slot)) return;
    this.#rings.readHeads();
    this.#drain(slot, Number.POSITIVE_INFINITY);
    this.#rings.close(slot);
    this.#originsBySlot.delete(slot);
  }

  /** A request has ended, after some time in which none did. */
  onLogged(): void {
    this.#lines.wake();
    this.#timer ??= setTimeout(() => this.#poll(), GATHER_MS);
  }

  /** The zygote has ended, so that nobody wakes this any more: it polls until the last workers have ended. */
  onOrphaned(): void {
    this.#isOrphaned = true;
    this.onLogged();
  }

  /** Logs all records that there are now. */
  flush(): void {
    this.#rings.readHeads();
    for (const slot of this.#rings.slots) this.#drain(slot, Number.POSITIVE_INFINITY);
  }

  /** Stops reading, after the last worker has ended. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lost.end();
    this.#lines.sleep();
  }

  #poll(): void {
    this.#timer = undefined;
    const beganUs = wallClockUs();
    const { found, bytes } = this.#drainAll();
    const tookMs = (wallClockUs() - beganUs) / 1000;
    const restMs = Math.max(Math.min(REST_PER_WORK * tookMs, LONGEST_REST_MS), (bytes / RATE) * 1000);
    if (found !== 'more') this.#lines.reach(beganUs);
    if (found === 'more') this.#pollIn(restMs);
    else if (found === 'some' || this.#isOrphaned) this.#pollIn(Math.max(GATHER_MS, restMs));
    else this.#sleep();
  }

  #pollIn(delayMs: Milliseconds): void {
    if (this.#originsBySlot.size > 0) this.#timer = setTimeout(() => this.#poll(), delayMs);
    else if (this.#isOrphaned) this.#lines.sleep();
    else this.#sleep();
  }

  /** In this order, so that a request that ends at this moment is not missed: lower the flag, ask to be told, read. */
  #sleep(): void {
    this.#rings.lowerPending();
    this.#parts.askToBeTold();
    if (this.#drainAll().found === 'none') this.#lines.sleep();
    else this.onLogged();
  }

  #drainAll(): { readonly found: 'none' | 'some' | 'more'; readonly bytes: Bytes } {
    this.#rings.readHeads();
    const slots = this.#rings.slots;
    let left = MOST_AT_ONCE;
    for (let i = 0; i < slots.length; i++) {
      // Starts where the last round stopped: one worker's flood must not keep the others from being read.
      const slot = slots[(this.#nextSlot + i) % slots.length] ?? 0;
      left -= this.#drain(slot, left);
      if (left > 0) continue;
      this.#nextSlot = (this.#nextSlot + i + 1) % slots.length;
      return { found: 'more', bytes: MOST_AT_ONCE - left };
    }
    return { found: left < MOST_AT_ONCE ? 'some' : 'none', bytes: MOST_AT_ONCE - left };
  }

  /** @returns bytes that were read */
  #drain(slot: number, most: Bytes): Bytes {
    let read = 0;
    for (let batch = this.#rings.take(slot); batch !== undefined; batch = this.#rings.take(slot)) {
      this.#write(batch);
      read += batch.end + 1;
      if (read >= most) break;
    }
    const lost = this.#rings.takeLost(slot);
    if (lost > 0) this.#lost.add(lost, this.#originsBySlot.get(slot)?.pid ?? 0);
    return read;
  }

  #write({ slot, bytes, words, starts, end }: LogBatch): void {
    const origin = this.#originsBySlot.get(slot);
    if (origin === undefined || starts.length === 0) return;
    const records = { bytes, words, text: bytes.toString('latin1', 0, end) };
    const { format } = this.#parts;
    starts.forEach((start, index) => {
      const at = { start, end: starts[index + 1] ?? end, textCount: this.#textCount };
      const record = readRecord(records, at, origin);
      const line = format.line(record);
      if (line === undefined) return;
      const { text, isCut } = line;
      this.#lines.add({ endUs: endOf(record), text, encoding: format.encoding });
      if (isCut) this.#reportCut();
    });
  }

  #reportLost(count: Count, pids: readonly Pid[]): void {
    const { pool, log } = this.#parts;
    const whose = pids.length === 1 ? `child ${pids[0]}` : `${pids.length} children`;
    log.warning(
      `[pool ${pool}] ${count} lines of the access log were lost: ` +
        `requests of ${whose} ended faster than they could be logged`,
      { pool },
    );
  }

  /** php-fpm's message, but once for each generation and not for each line. */
  #reportCut(): void {
    if (this.#isCutReported) return;
    this.#isCutReported = true;
    this.#parts.log.notice(
      `[pool ${this.#parts.pool}] the log buffer is full (1024). The access log request has been truncated.`,
      { pool: this.#parts.pool },
    );
  }
}
