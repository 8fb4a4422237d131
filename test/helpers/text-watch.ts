import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Milliseconds } from '../../src/units.js';
import { PATIENCE_MS, until } from './wait.js';

const TAIL_LENGTH = 6000;

/** A text that grows, and a mark in it: what was expected once is not found again. */
export class TextWatch {
  readonly #read: () => string;
  readonly #name: string;
  #mark = 0;

  private constructor(name: string, read: () => string) {
    this.#name = name;
    this.#read = read;
  }

  static ofStream(name: string, stream: Readable): TextWatch {
    const chunks: Buffer[] = [];
    let whole = '';
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => {}); // its end is the process's end
    return new TextWatch(name, () => {
      if (chunks.length > 0) whole += Buffer.concat(chunks.splice(0)).toString();
      return whole;
    });
  }

  /** A file that may not be there yet. */
  static ofFile(path: string): TextWatch {
    return new TextWatch(path, () => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return '';
      }
    });
  }

  get text(): string {
    return this.#read();
  }

  /** The end of it, for messages. */
  get tail(): string {
    return this.text.slice(-TAIL_LENGTH);
  }

  get lines(): string[] {
    return this.text.split('\n').filter((line) => line !== '');
  }

  /** Waits for a match behind the last expected one. */
  async expect(pattern: RegExp, patienceMs: Milliseconds = PATIENCE_MS): Promise<RegExpMatchArray> {
    const look = () => {
      const { text } = this;
      if (text.length < this.#mark) this.#mark = 0; // another file bears the name now
      return text.slice(this.#mark).match(pattern);
    };
    const found = await until(`${pattern} in ${this.#name}`, look, patienceMs).catch((error: Error) => {
      error.message += `; it ends with:\n${this.tail}`;
      throw error;
    });
    this.#mark += (found.index ?? 0) + found[0].length;
    return found;
  }
}
