import { writeSync } from 'node:fs';
import { EXIT_OK } from '../errors.js';
import { figuresOf } from '../top/figures.js';
import { paint } from '../top/paint.js';
import { type Line, screenOf } from '../top/screen.js';
import { keysOf, pressed, type View } from '../top/view.js';
import type { Count, Milliseconds } from '../units.js';
import type { MasterReader, Reading } from './top-reader.js';

/** The alternate screen, without a cursor, where lines that are too long do not wrap. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** What a terminal sends for one key may come in two pieces. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const HALF_KEY = /\x1b(?:[[O][0-9;]*)?$/;
const HALF_KEY_MS: Milliseconds = 50;
const SIGNAL_EXIT = 128;
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

type Live = Extract<Reading, { kind: 'live' }>;

/** `tsfpm top` on a terminal: draws the screen, and follows the keys. */
export class TopTerminal {
  readonly #reader: MasterReader;
  #view: View;
  #before: Live | undefined;
  #now: Live;
  #trouble: string | undefined;
  #page: Count = 0;
  #pending = '';
  #pendingTimer: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isReading = false;
  #isEntered = false;
  #end: (exitCode: number) => void = () => {};
  readonly #onExit = () => this.#leave();

  constructor(view: View, reader: MasterReader, first: Live) {
    this.#view = view;
    this.#reader = reader;
    this.#now = first;
  }

  /** @returns the exit code, once the user has quit; the terminal is then as it was before */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve) => {
      this.#end = resolve;
    });
    // Runs whatever ends this process, but for SIGKILL.
    process.on('exit', this.#onExit);
    for (const [name, number] of Object.entries(SIGNALS))
      process.on(name, () => this.#end(SIGNAL_EXIT + number));
    process.on('SIGCONT', () => this.#resume());
    process.stdout.on('resize', () => this.#draw());
    process.stdin.setEncoding('utf8');
    process.stdin.on('data', (text: string) => this.#onInput(text));
    process.stdin.on('end', () => this.#end(EXIT_OK)).on('error', () => this.#end(EXIT_OK));
    this.#enter();
    this.#draw();
    this.#readAfter(Math.min(this.#view.intervalMs, SECOND_READING_MS));
    const exitCode = await ended;
    clearTimeout(this.#timer);
    clearTimeout(this.#pendingTimer);
    process.stdin.pause();
    this.#leave();
    return exitCode;
  }

  #enter(): void {
    this.#isEntered = true;
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdout.write(ENTER);
  }

  /** Written at once, past what waits in the stream: nothing may come after it. */
  #leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    try {
      if (process.stdin.isTTY) process.stdin.setRawMode(false);
      writeSync(process.stdout.fd, LEAVE);
    } catch {
      // The terminal has gone.
    }
  }

  #suspend(): void {
    this.#leave();
    process.kill(process.pid, 'SIGTSTP');
  }

  #resume(): void {
    if (this.#isEntered) return;
    this.#enter();
    this.#draw();
  }

  #readAfter(ms: Milliseconds): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(), ms);
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    if (!this.#view.isPaused) this.#take(await this.#reader.read());
    this.#isReading = false;
    this.#draw();
    this.#readAfter(this.#view.intervalMs);
  }

  #take(reading: Reading): void {
    if (reading.kind === 'live') {
      this.#trouble = undefined;
      this.#before = this.#now;
      this.#now = reading;
    } else this.#trouble = `${reading.reason}; trying again`;
  }

  #onInput(text: string): void {
    clearTimeout(this.#pendingTimer);
    const all = this.#pending + text;
    const half = HALF_KEY.exec(all)?.[0] ?? '';
    this.#pending = half;
    this.#onKeys(keysOf(all.slice(0, all.length - half.length)));
    if (half === '') return;
    this.#pendingTimer = setTimeout(() => {
      this.#pending = '';
      this.#onKeys(keysOf(half));
    }, HALF_KEY_MS);
  }

  #onKeys(keys: readonly string[]): void {
    const names = this.#now.live.pools.map(({ name }) => name);
    const { intervalMs } = this.#view;
    for (const key of keys) {
      const effect = pressed(this.#view, key, names, this.#page);
      if (effect === 'quit') {
        this.#end(EXIT_OK);
        return;
      }
      if (effect === 'suspend') this.#suspend();
      else this.#view = effect.view;
    }
    if (intervalMs !== this.#view.intervalMs && !this.#isReading) this.#readAfter(this.#view.intervalMs);
    if (keys.length > 0) this.#draw();
  }

  #draw(): void {
    // A slow terminal gets the next drawing instead of this one.
    if (!this.#isEntered || process.stdout.writableNeedDrain) return;
    const { columns = 80, rows = 24 } = process.stdout;
    const { lines, page, scrolled } = screenOf({
      figures: figuresOf(this.#now.live, this.#before?.live, this.#now.usage),
      view: this.#view,
      size: { columns, rows },
      trouble: this.#trouble,
      clock: clockText(),
    });
    this.#page = page;
    this.#view = { ...this.#view, scrolled };
    const hasColour = !process.env.NO_COLOR;
    process.stdout.write(`\x1b[H${lines.map((line) => paintWhole(line, columns, hasColour)).join('\r\n')}`);
  }
}

/**
 * The line, with what stood behind it before erased. A line as wide as the terminal needs no erasing, and would lose
 * its last character: there the cursor still stands on it.
 */
function paintWhole(line: Line, columns: Count, hasColour: boolean): string {
  const isFull = line.reduce((sum, { text }) => sum + text.length, 0) >= columns;
  return `${isFull ? '' : '\x1b[2K'}${paint(line, hasColour)}`;
}

/** Rates need two readings: the second comes soon after the first. */
const SECOND_READING_MS: Milliseconds = 500;

/** `22:14:03` */
export function clockText(): string {
  return new Date().toTimeString().slice(0, 8);
}
