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

/** Of the ring of each worker: a tenth of a second of requests that do nothing. */
export const LOG_RING_SIZE: Bytes = 256 * 1024;
/** How long requests gather after the first: many lines for one look and one write. */
const GATHER_MS: Milliseconds = 50;
/** What is read in one go, with what one ring may have beyond it: the master has other work, too. */
const MOST_AT_ONCE: Bytes = 64 * 1024;
/**
 * Whatever workers claim, a pool's log takes a third of the master's time, and no more in a second than requests can
 * fill that do nothing, on every processor. Beyond that rings fill up, and records are lost.
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
 * Takes what the workers of one generation tell of their requests out of shared memory, and makes it lines of the
 * access log. While requests end it looks every few milliseconds; when none do it sleeps until it is woken.
 */
export class RequestLog {
  readonly #parts: RequestLogParts;
  readonly #rings: LogRings;
  readonly #lines: LineSource;
  readonly #originsBySlot = new Map<number, RecordOrigin>();
  readonly #textCount: Count;
  readonly #lost = new LostRecords((count, pids) => this.#tellLost(count, pids));
  #timer: NodeJS.Timeout | undefined;
  #nextSlot = 0;
  #isOrphaned = false;
  #isCutTold = false;

  constructor(parts: RequestLogParts) {
    this.#parts = parts;
    const { scoreboard, format, file } = parts;
    this.#lines = file.source();
    this.#rings = new LogRings(scoreboard.fd, scoreboard.slotCount, LOG_RING_SIZE);
    this.#textCount = format.fields.filter(({ kind }) => kind !== 'CPU').length;
  }

  /** A worker begins; its ring is empty. */
  open(slot: number, origin: { readonly pid: Pid; readonly zygotePid: Pid }): void {
    this.#originsBySlot.set(slot, { pid: origin.pid, parentPid: origin.zygotePid });
    this.#rings.open(slot);
  }

  /** One that was forked under the master's program before an upgrade. */
  takeOver(slot: number, origin: { readonly pid: Pid; readonly zygotePid: Pid }): void {
    this.#originsBySlot.set(slot, { pid: origin.pid, parentPid: origin.zygotePid });
    this.#rings.openWhereLeft(slot);
  }

  /** The worker in that slot has ended: what it has left is logged. */
  close(slot: number): void {
    if (!this.#originsBySlot.has(slot)) return;
    this.#rings.look();
    this.#drain(slot, Number.POSITIVE_INFINITY);
    this.#rings.close(slot);
    this.#originsBySlot.delete(slot);
  }

  /** A request has ended, after some time in which none did. */
  onLogged(): void {
    this.#lines.wake();
    this.#timer ??= setTimeout(() => this.#lookAround(), GATHER_MS);
  }

  /** The zygote has gone: nobody tells any more. It looks by itself until its last workers have finished. */
  onOrphaned(): void {
    this.#isOrphaned = true;
    this.onLogged();
  }

  /** Logs what there is now. */
  flush(): void {
    this.#rings.look();
    for (const slot of this.#rings.slots) this.#drain(slot, Number.POSITIVE_INFINITY);
  }

  /** After the last worker. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lost.end();
    this.#lines.sleep();
  }

  #lookAround(): void {
    this.#timer = undefined;
    const beganUs = wallClockUs();
    const { found, bytes } = this.#drainAll();
    const tookMs = (wallClockUs() - beganUs) / 1000;
    const restMs = Math.max(Math.min(REST_PER_WORK * tookMs, LONGEST_REST_MS), (bytes / RATE) * 1000);
    if (found !== 'more') this.#lines.reach(beganUs);
    if (found === 'more') this.#again(restMs);
    else if (found === 'some' || this.#isOrphaned) this.#again(Math.max(GATHER_MS, restMs));
    else this.#sleep();
  }

  #again(delayMs: Milliseconds): void {
    if (this.#originsBySlot.size > 0) this.#timer = setTimeout(() => this.#lookAround(), delayMs);
    else if (this.#isOrphaned) this.#lines.sleep();
    else this.#sleep();
  }

  /** The order keeps a request that ends at this moment from being overlooked: flag down, ask, look. */
  #sleep(): void {
    this.#rings.lowerPending();
    this.#parts.askToBeTold();
    if (this.#drainAll().found === 'none') this.#lines.sleep();
    else this.onLogged();
  }

  #drainAll(): { readonly found: 'none' | 'some' | 'more'; readonly bytes: Bytes } {
    this.#rings.look();
    const slots = this.#rings.slots;
    let left = MOST_AT_ONCE;
    for (let i = 0; i < slots.length; i++) {
      // Not always from the first on: one worker's flood is not to hide the others.
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
      if (isCut) this.#tellCut();
    });
  }

  #tellLost(count: Count, pids: readonly Pid[]): void {
    const { pool, log } = this.#parts;
    const whose = pids.length === 1 ? `child ${pids[0]}` : `${pids.length} children`;
    log.warning(
      `[pool ${pool}] ${count} lines of the access log were lost: requests of ${whose} ended faster than they could be logged`,
      { pool },
    );
  }

  /** php-fpm's words, for the first only: there one comes with each line. */
  #tellCut(): void {
    if (this.#isCutTold) return;
    this.#isCutTold = true;
    this.#parts.log.notice(
      `[pool ${this.#parts.pool}] the log buffer is full (1024). The access log request has been truncated.`,
      { pool: this.#parts.pool },
    );
  }
}
