import type { Count, Milliseconds } from '../../units.js';
import type { Growth } from './growth.js';
import { type BusyReport, type Episodes, living, type PoolSnapshot } from './types.js';

export const QUIET: Episodes = {
  isMaxTold: false,
  isBusyTold: false,
  calmSinceMs: undefined,
  secondFromMs: 0,
  forksInSecond: 0,
};

/** php-fpm's rate of spawning from which a pool seems busy. */
const BUSY_FORKS = 8;
const SECOND_MS = 1000;

export interface Told {
  readonly isMaxChildrenReached: boolean;
  readonly busy: BusyReport | undefined;
  readonly episodes: Episodes;
}

/**
 * What to tell after a decision to grow.
 *
 * An episode lasts until there is a fork, as under php-fpm; but one that only replaces a worker of a saturated pool
 * does not end it, or `pm.max_requests` would make a warning of each death: for a second before it the pool must have
 * had enough workers with fewer than `pm.max_children`.
 */
export function tell(before: Episodes, snapshot: PoolSnapshot, growth: Growth): Told {
  const { nowMs } = snapshot;
  const isNew =
    growth.fork > 0 && before.calmSinceMs !== undefined && nowMs - before.calmSinceMs >= SECOND_MS;
  const isMaxTold = before.isMaxTold && !isNew;
  const isBusyTold = before.isBusyTold && !isNew;
  const second = countForks(before, nowMs, growth.grown);

  const isMaxChildrenReached = growth.missing > 0 && growth.isFull && !isMaxTold;
  const isBusy = growth.grown > 0 && second.forksInSecond >= BUSY_FORKS && !isBusyTold;
  return {
    isMaxChildrenReached,
    busy: isBusy
      ? { spawning: second.forksInSecond, idle: snapshot.idle, total: living(snapshot) }
      : undefined,
    episodes: {
      ...second,
      isMaxTold: isMaxTold || isMaxChildrenReached,
      isBusyTold: isBusyTold || isBusy,
      calmSinceMs: growth.missing > 0 || growth.isFull ? undefined : (before.calmSinceMs ?? nowMs),
    },
  };
}

function countForks(
  { secondFromMs, forksInSecond }: Episodes,
  nowMs: Milliseconds,
  forks: Count,
): Pick<Episodes, 'secondFromMs' | 'forksInSecond'> {
  if (forks === 0) return { secondFromMs, forksInSecond };
  const isOver = forksInSecond === 0 || nowMs - secondFromMs >= SECOND_MS;
  return isOver
    ? { secondFromMs: nowMs, forksInSecond: forks }
    : { secondFromMs, forksInSecond: forksInSecond + forks };
}
