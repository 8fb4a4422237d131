import type { Count } from '../../src/units.js';

export interface Random {
  /** 0 to below that. */
  below(limit: Count): number;
  pick<Item>(items: readonly Item[]): Item | undefined;
}

/** The same numbers for the same seed, on every machine (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: Count) => Math.floor(next() * limit);
  return { below, pick: (items) => items[below(items.length)] };
}
