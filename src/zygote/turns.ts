import type { Count, Milliseconds } from '../units.js';

/** How long the master works for one pool before others have their turn. */
const TURN_MS: Milliseconds = 4;
/** The part of the master's time that charged work may take in the long run. */
const SHARE = 0.25;
/** How much charged work may come at once. */
const CREDIT_MS: Milliseconds = 10;
/** No pause is longer: on a busy machine work seems to take longer than it does. */
const LONGEST_REST_MS: Milliseconds = 50;

export interface TurnsParts<Item> {
  readonly work: (item: Item) => void;
  /**
   * The least time that the item is charged with, where a tenant can send as many as it likes; undefined for items that
   * are bounded elsewhere and only take turns.
   */
  readonly charge: (item: Item) => Milliseconds | undefined;
  /** Around the work of one turn. */
  readonly around: (turn: () => void) => void;
  /** No more items are wanted for now, and are again. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Monotonic. */
  readonly nowMs?: () => Milliseconds;
}

/**
 * Deals with what one pool's processes send, in order and in turns, so that a flood from one pool does not keep other
 * pools and the master's servers waiting. The sender is held up meanwhile; nothing is lost.
 */
export class Turns<Item> {
  readonly #parts: TurnsParts<Item>;
  readonly #nowMs: () => Milliseconds;
  #items: readonly Item[] = [];
  #done: Count = 0;
  #creditMs: Milliseconds = CREDIT_MS;
  #creditAtMs: Milliseconds;
  #isPaused = false;
  #isWorking = false;
  #isEnded = false;

  constructor(parts: TurnsParts<Item>) {
    this.#parts = parts;
    this.#nowMs = parts.nowMs ?? (() => performance.now());
    this.#creditAtMs = this.#nowMs();
  }

  push(items: readonly Item[]): void {
    if (items.length === 0 || this.#isEnded) return;
    this.#items = this.#items.length === 0 ? items : [...this.#items, ...items];
    if (!this.#isPaused && !this.#isWorking) this.#turn();
  }

  /** Deals with all that is left, now. Whatever is pushed after it is ignored. */
  finish(): void {
    if (this.#isEnded || this.#isWorking) return;
    this.#isEnded = true;
    this.#work(Number.POSITIVE_INFINITY);
  }

  #turn(): void {
    try {
      this.#work(this.#nowMs() + TURN_MS);
    } finally {
      if (!this.#isEnded && (this.#items.length > 0 || this.#creditMs <= 0)) this.#rest();
    }
  }

  #rest(): void {
    this.#isPaused = true;
    this.#parts.pause();
    if (this.#creditMs > 0) setImmediate(() => this.#continue());
    else
      setTimeout(() => this.#continue(), Math.min(Math.ceil(-this.#creditMs / SHARE) + 1, LONGEST_REST_MS));
  }

  #continue(): void {
    this.#isPaused = false;
    if (this.#isEnded) return;
    this.#refill(this.#nowMs());
    try {
      this.#turn();
    } finally {
      if (!this.#isPaused) this.#parts.resume();
    }
  }

  #work(untilMs: Milliseconds): void {
    this.#isWorking = true;
    try {
      this.#parts.around(() => this.#workThrough(untilMs));
    } finally {
      this.#isWorking = false;
      this.#items = this.#items.slice(this.#done);
      this.#done = 0;
    }
  }

  #workThrough(untilMs: Milliseconds): void {
    let atMs = this.#nowMs();
    const isLast = untilMs === Number.POSITIVE_INFINITY;
    this.#refill(atMs);
    while (this.#done < this.#items.length && atMs < untilMs && (isLast || this.#creditMs > 0)) {
      const item = this.#items[this.#done++] as Item;
      this.#parts.work(item);
      const beganAtMs = atMs;
      atMs = this.#nowMs();
      const leastMs = this.#parts.charge(item);
      if (leastMs !== undefined) this.#creditMs -= Math.max(leastMs, atMs - beganAtMs);
    }
  }

  /** What is owed beyond the longest pause is forgotten. */
  #refill(nowMs: Milliseconds): void {
    const more = Math.max(0, nowMs - this.#creditAtMs) * SHARE;
    this.#creditAtMs = nowMs;
    this.#creditMs = Math.min(CREDIT_MS, Math.max(this.#creditMs, -LONGEST_REST_MS * SHARE) + more);
  }
}
