import type { Count } from '../units.js';
import type { Backtrace } from './backtrace.js';

/**
 * How many different stacks are kept: a script that defines functions without end must not fill the master's memory.
 */
const MOST_STACKS: Count = 20_000;
const REST = '[other stacks]';

/** Counts stacks in the form that flame graph programs read: `outermost;...;innermost COUNT`. */
export class FoldedStacks {
  readonly #counts = new Map<string, Count>();
  samples: Count = 0;

  /** @param root the outermost frame: the script */
  add(root: string, { frames, isCut }: Backtrace): void {
    const names = [root, ...(isCut ? ['...'] : []), ...frames.map(({ name }) => name).reverse()];
    const stack = names.map(frameText).join(';');
    const key = this.#counts.has(stack) || this.#counts.size < MOST_STACKS ? stack : REST;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    this.samples++;
  }

  /** Sorted, so that two results can be compared. */
  lines(): string[] {
    return [...this.#counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([stack, count]) => `${stack} ${count}`);
  }
}

/** The name of a frame; a semicolon would end it. */
function frameText(name: string): string {
  return name.replaceAll(';', ':');
}
