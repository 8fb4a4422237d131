import type { LogLevel } from '../log/levels.js';
import type { UncheckedPool } from './config.js';
import { directive } from './directives.js';
import type { PoolDraft } from './draft.js';
import type { Bases } from './prefix.js';
import { fatal, type Problem } from './problem.js';
import { rangeProblem } from './range.js';

/** What the rules for a pool need besides the pool. */
export interface PoolContext {
  readonly bases: Bases;
  readonly isRoot: boolean;
  readonly allowRoot: boolean;
  readonly isDirectory: (path: string) => boolean;
  /** `events.mechanism`, which the rules of the global section have checked. */
  readonly eventsMechanism: string;
}

/** One of the rules for a pool. It may complete the pool in place: derived values, absolute paths. */
export type PoolRule = (pool: UncheckedPool, context: PoolContext, draft: PoolDraft) => Problem[];

/** The directory at which relative paths of the pool start. */
export function poolBase(pool: UncheckedPool, { bases }: PoolContext): string {
  return isSet(pool.prefix) ? pool.prefix : bases.programs;
}

/** php-fpm takes an empty path for none. */
export function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

/** Compares a number with the range of its row in the pool table. */
export function range(pool: UncheckedPool, name: string, value: number | undefined): Problem | undefined {
  return rangeProblem(directive('pool', name), value, pool.name);
}

/** The problems without the undefined ones. */
export function present(...problems: readonly (Problem | undefined)[]): Problem[] {
  return problems.filter((problem) => problem !== undefined);
}

/** A fatal problem of a pool, with its `[pool name]` prefix. */
export function refuse(pool: UncheckedPool, name: string, text: string, level: LogLevel = 'error'): Problem {
  return fatal(`[pool ${pool.name}] ${text}`, { section: pool.name, directive: name }, level);
}
