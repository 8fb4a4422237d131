import type { DirectiveRow } from './directives.js';
import { fatal, type Problem } from './problem.js';

/** In php-fpm this number means that no priority is set, also if a file says it. */
const PRIORITY_UNSET = 64;

export function knownPriority(priority: number | undefined): number | undefined {
  return priority === PRIORITY_UNSET ? undefined : priority;
}

/**
 * Compares a number with the range of its row.
 *
 * @param value `undefined` is within every range
 * @param pool name of the pool, for the prefix of the message
 */
export function rangeProblem(
  row: DirectiveRow,
  value: number | undefined,
  pool?: string,
): Problem | undefined {
  const { range } = row;
  if (range === undefined || value === undefined) return undefined;
  if (value >= range.min && value <= (range.max ?? value)) return undefined;
  const message = range.refusal.replaceAll('%d', String(value));
  const place = { section: pool ?? 'global', directive: row.name, value: String(value) };
  return fatal(pool === undefined ? message : `[pool ${pool}] ${message}`, place, range.level);
}
