import { readSync, writeSync } from 'node:fs';
import { IS_LITTLE_ENDIAN } from '../os/native-integers.js';
import type { Bytes, Count, Fd } from '../units.js';
import { HEADER_SIZE, SLOT_SIZE } from './layout.js';

// The constants of runtime/log-ring.h, which explains the rings; a test compares both.

export const LOG_BOARD_SIZE: Bytes = 64;
export const LOG_INDEX_SIZE: Bytes = 128;
export const LOG_INDEX_FIELDS = { head: 0, lost: 8, tail: 64, tail_check: 72 } as const;
export const LOG_RECORD_SIZE: Bytes = 56;
export const LOG_RECORD_MAX: Bytes = 16384;
export const LOG_STAMP = 0x474f4c54;

/** How much of one ring one {@link LogBatch} has at most. */
const MOST_AT_ONCE: Bytes = 64 * 1024;
const PAGE: Bytes = 4096;
const WORD: Bytes = 4;
const TWO_WORDS = 2 ** 32;

/** `tsfpm_log_rings_offset()` */
export function logRingsOffset(slotCount: Count): Bytes {
  return Math.ceil((LOG_BOARD_SIZE + slotCount * LOG_INDEX_SIZE) / PAGE) * PAGE;
}

/** `tsfpm_log_area_size()` */
export function logAreaSize(slotCount: Count, ringSize: Bytes): Bytes {
  return ringSize === 0 ? 0 : logRingsOffset(slotCount) + slotCount * ringSize;
}

/** Whole records of one ring, in order; the memory is used again for the next batch. */
export interface LogBatch {
  readonly slot: number;
  readonly bytes: Buffer;
  /** The memory of `bytes` as words in native order. */
  readonly words: Uint32Array;
  /** Offset of each record, in bytes; it reaches to the next one. */
  readonly starts: readonly number[];
  /** Behind the last record. */
  readonly end: Bytes;
}

interface Place {
  /** How far the ring is read. The copy in shared memory is for the worker; the master never reads it back. */
  tail: number;
  /** How many records the worker had no room for, as of the last {@link LogRings.takeLost}. */
  lost: number;
}

/** Reads a generation's rings of finished requests. All that it reads is hostile. */
export class LogRings {
  readonly #fd: Fd;
  readonly #slotCount: Count;
  readonly #ringSize: Bytes;
  readonly #board: Bytes;
  readonly #index: Uint32Array;
  readonly #ring: Buffer;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #placesBySlot = new Map<number, Place>();
  readonly #mark = new BigUint64Array(2);

  /** @param fd of a scoreboard that was made with rings */
  constructor(fd: Fd, slotCount: Count, ringSize: Bytes) {
    this.#fd = fd;
    this.#slotCount = slotCount;
    this.#ringSize = ringSize;
    this.#board = HEADER_SIZE + slotCount * SLOT_SIZE;
    this.#index = new Uint32Array((slotCount * LOG_INDEX_SIZE) / WORD);
    this.#words = sharedWords(ringSize);
    this.#ring = Buffer.from(this.#words.buffer);
  }

  /** Begins to read a slot in which a worker starts, with an empty ring. */
  open(slot: number): void {
    this.#placesBySlot.set(slot, { tail: 0, lost: 0 });
  }

  /** Begins to read the slot of a worker that runs already, where the master before this one stopped reading. */
  openWhereLeft(slot: number): void {
    this.readHeads();
    const tail = this.#indexWord(slot, LOG_INDEX_FIELDS.tail);
    const lost = this.#indexWord(slot, LOG_INDEX_FIELDS.lost);
    this.#placesBySlot.set(slot, { tail: Math.max(tail, 0), lost });
  }

  close(slot: number): void {
    this.#placesBySlot.delete(slot);
  }

  get slots(): number[] {
    return [...this.#placesBySlot.keys()];
  }

  /**
   * Clears the pending flag: the next worker that writes a record will tell. Call {@link readHeads} once more after
   * this.
   */
  lowerPending(): void {
    writeSync(this.#fd, new Uint32Array(1), 0, WORD, this.#board);
  }

  /** Reads how far each worker has written; to be called before {@link take}. */
  readHeads(): void {
    readSync(this.#fd, this.#index, 0, this.#index.byteLength, this.#board + LOG_BOARD_SIZE);
  }

  /**
   * Takes records that were new in a ring at the last {@link readHeads}: a part of them if they are many, or wrap
   * around the end of the ring.
   *
   * @returns undefined if there are none
   */
  take(slot: number): LogBatch | undefined {
    const place = this.#placesBySlot.get(slot);
    if (place === undefined) return undefined;
    const head = this.#indexWord(slot, LOG_INDEX_FIELDS.head);
    const used = head - place.tail;
    if (used === 0) return undefined;
    // The runtime never writes such a position: a script has, and nothing in the ring can be trusted.
    if (used < 0 || used > this.#ringSize || used % 8 !== 0) {
      this.#moveTo(slot, place, head);
      return undefined;
    }
    const offset = place.tail % this.#ringSize;
    const whole = Math.min(used, this.#ringSize - offset);
    const length = Math.min(whole, MOST_AT_ONCE);
    readSync(this.#fd, this.#ring, 0, length, this.#ringAt(slot) + offset);
    const { starts, end, next } = this.#recordsIn(length, place.tail);
    // A record that is cut off comes whole the next time. After something that is no record the rest is skipped.
    this.#moveTo(slot, place, place.tail + (next > 0 ? next : whole));
    return { slot, bytes: this.#ring, words: this.#words, starts, end };
  }

  /** How many requests found a full ring since the last call, as the worker says; call {@link readHeads} before. */
  takeLost(slot: number): Count {
    const place = this.#placesBySlot.get(slot);
    if (place === undefined) return 0;
    const lost = this.#indexWord(slot, LOG_INDEX_FIELDS.lost);
    const more = lost - place.lost;
    place.lost = lost;
    return more > 0 && more < TWO_WORDS ? more : 0;
  }

  #ringAt(slot: number): Bytes {
    return this.#board + logRingsOffset(this.#slotCount) + slot * this.#ringSize;
  }

  /** @returns -1 for a number too large to be true */
  #indexWord(slot: number, field: Bytes): number {
    const at = (slot * LOG_INDEX_SIZE + field) / WORD;
    const value = read64(this.#index, at);
    return Number.isSafeInteger(value) ? value : -1;
  }

  /**
   * Finds the records in what was read. The worker writes sizes and stamps: the first wrong one ends the reading.
   *
   * @returns `next`: where to go on, which is `length`, or the start of a record that is cut off; 0 if something is
   *   wrong
   */
  #recordsIn(length: Bytes, position: number): { starts: number[]; end: Bytes; next: Bytes } {
    const starts: number[] = [];
    let at = 0;
    let end = 0;
    while (at < length) {
      const size = this.#words[at / WORD] ?? 0;
      const stamp = this.#words[at / WORD + 1] ?? 0;
      const expected = (LOG_STAMP ^ ((position + at) % TWO_WORDS)) >>> 0;
      if (size < 8 || size % 8 !== 0 || stamp !== expected) return { starts, end, next: 0 };
      if (size > length - at) return { starts, end, next: at };
      const isFiller = size < LOG_RECORD_SIZE || this.#words[at / WORD + 2] !== 0;
      if (!isFiller && size <= LOG_RECORD_MAX) {
        starts.push(at);
        end = at + size;
      }
      at += size;
    }
    return { starts, end, next: at };
  }

  #moveTo(slot: number, place: Place, position: number): void {
    place.tail = Math.max(position, 0);
    this.#mark[0] = BigInt(place.tail);
    this.#mark[1] = ~BigInt(place.tail) & 0xffff_ffff_ffff_ffffn;
    const at = this.#board + LOG_BOARD_SIZE + slot * LOG_INDEX_SIZE + LOG_INDEX_FIELDS.tail;
    writeSync(this.#fd, this.#mark, 0, this.#mark.byteLength, at);
  }
}

/** Shared by all generations: a batch is used up before the next is taken. */
const wordsByRingSize = new Map<Bytes, Uint32Array<ArrayBuffer>>();

function sharedWords(ringSize: Bytes): Uint32Array<ArrayBuffer> {
  const there = wordsByRingSize.get(ringSize) ?? new Uint32Array(ringSize / WORD);
  wordsByRingSize.set(ringSize, there);
  return there;
}

/** A 64-bit number of native order as a double; exact below 2^53. */
function read64(words: Uint32Array, at: number): number {
  const first = words[at] ?? 0;
  const second = words[at + 1] ?? 0;
  return IS_LITTLE_ENDIAN ? second * TWO_WORDS + first : first * TWO_WORDS + second;
}
