import type { Bytes, Count, Microseconds, Milliseconds } from '../units.js';

/**
 * How long after the end of a request its record may arrive: the worker may wait some time slices for a processor
 * before it writes the record, and so may the zygote, which passes on that there is one.
 */
const SETTLE_MS: Milliseconds = 20;
/** How long a line waits at most for a source that does not say how far it is. */
const LONGEST_WAIT_MS: Milliseconds = 250;
/** The most that is held; above it everything is written, in the order known so far. */
const MOST_HELD: Bytes = 1024 * 1024;
/** Memory of a line besides its text: many empty lines need memory too. */
const LINE_OVERHEAD: Bytes = 64;

export interface TimedLine {
  /** When the request ended, since 1970. A worker's claim: if it lies in the future, the present time is used. */
  endUs: Microseconds;
  /** With its newline. */
  readonly text: string;
  readonly encoding: 'latin1' | 'utf8';
}

/** Where lines come from, some time after their requests have ended. It begins asleep. */
export interface LineSource {
  /** Hands a line over; the caller must not change it afterwards. */
  add(line: TimedLine): void;
  /** Tells that there may be lines that are not added yet. */
  wake(): void;
  /** Tells that every line of a request that ended before `untilUs` has been added. */
  reach(untilUs: Microseconds): void;
  /** Tells that no line comes before the next {@link wake}. */
  sleep(): void;
}

export interface LineMergeParts {
  readonly write: (bytes: Buffer, lines: Count) => void;
  /** The wall clock. */
  readonly nowUs: () => Microseconds;
}

/**
 * Puts the lines of several sources into the order in which their requests ended: a line is held until every source
 * that is awake has reached its time.
 */
export class LineMerge {
  readonly #parts: LineMergeParts;
  readonly #reachedUs = new Map<LineSource, Microseconds>();
  #held: TimedLine[] = [];
  #heldBytes: Bytes = 0;
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: LineMergeParts) {
    this.#parts = parts;
  }

  source(): LineSource {
    let lastUs: Microseconds = 0;
    const source: LineSource = {
      add: (line) => this.#add(line),
      wake: () => {
        if (!this.#reachedUs.has(source)) this.#reachedUs.set(source, lastUs);
      },
      reach: (untilUs) => {
        lastUs = untilUs;
        if (this.#reachedUs.has(source)) this.#reachedUs.set(source, untilUs);
        this.#releaseSoon();
      },
      sleep: () => {
        this.#reachedUs.delete(source);
        this.#releaseSoon();
      },
    };
    return source;
  }

  /** Nothing is held. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Writes everything that is held. */
  flush(): void {
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    clearTimeout(this.#timer);
    this.#turn = this.#timer = undefined;
    if (this.#held.length === 0) return;
    this.#sort(this.#parts.nowUs());
    this.#write(this.#held.length);
  }

  #add(line: TimedLine): void {
    this.#held.push(line);
    this.#heldBytes += line.text.length + LINE_OVERHEAD;
    if (this.#heldBytes > MOST_HELD) this.flush();
    else if (this.#held.length === 1) this.#releaseSoon();
  }

  /** Writes in a later turn of the event loop: after a long turn, calls of other sources may still be waiting. */
  #releaseSoon(): void {
    if (this.#held.length === 0) return;
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#release();
    });
  }

  #release(): void {
    const nowUs = this.#parts.nowUs();
    const reachedUs = Math.min(nowUs, ...this.#reachedUs.values());
    const untilUs = Math.max(reachedUs - SETTLE_MS * 1000, nowUs - LONGEST_WAIT_MS * 1000);
    this.#sort(nowUs);
    let count = this.#held.length;
    while (count > 0 && (this.#held[count - 1]?.endUs ?? 0) > untilUs) count--;
    if (count > 0) this.#write(count);
    if (this.#held.length === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#release();
    }, SETTLE_MS);
  }

  /** Sorts by insertion: each source's lines are in order, but for false claims, so few have to move. */
  #sort(nowUs: Microseconds): void {
    for (const line of this.#held) if (line.endUs > nowUs) line.endUs = nowUs;
    this.#held.sort((a, b) => a.endUs - b.endUs);
  }

  /** Writes the first `count` lines. */
  #write(count: Count): void {
    const lines = count === this.#held.length ? this.#held : this.#held.splice(0, count);
    if (lines === this.#held) this.#held = [];
    let from = 0;
    let text = '';
    lines.forEach((line, index) => {
      text += line.text;
      this.#heldBytes -= line.text.length + LINE_OVERHEAD;
      if (lines[index + 1]?.encoding === line.encoding) return;
      this.#parts.write(Buffer.from(text, line.encoding), index + 1 - from);
      from = index + 1;
      text = '';
    });
  }
}
