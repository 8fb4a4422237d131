/** @returns the middle value, the mean of the two middle ones for an even count; `undefined` for none */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

/**
 * @param part 0.99 for p99
 * @returns the least value that is not exceeded by that part of them; `undefined` for none
 */
export function quantile(values: readonly number[], part: number): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(part * values.length) - 1)];
}

/** A value for each round; `undefined` where the round did not yield one. */
export type Rounds = readonly (number | undefined)[];

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @returns `undefined` if no round yielded a value */
export function summarize(rounds: Rounds): Summary | undefined {
  const values = rounds.filter((value) => value !== undefined);
  const middle = median(values);
  if (middle === undefined) return undefined;
  return { median: middle, min: Math.min(...values), max: Math.max(...values) };
}

export type Comparison = 'ratio' | 'difference';

/**
 * Compares round by round, so that what disturbed the machine in one round touches both sides of it.
 *
 * @returns one value for each round that both sides completed; ratios to zero are left out
 */
export function compareRounds(rounds: Rounds, baseline: Rounds, comparison: Comparison): number[] {
  const compared: number[] = [];
  for (const [round, value] of rounds.entries()) {
    const base = baseline[round];
    if (value === undefined || base === undefined) continue;
    if (comparison === 'difference') compared.push(value - base);
    else if (base !== 0) compared.push(value / base);
  }
  return compared;
}
