import type { Count, Milliseconds } from '../../units.js';
import type { Growth } from './growth.js';
import type { Decision, PoolSnapshot } from './types.js';

/** What the master listens to until the next decision. */
export interface Attention extends Pick<Decision, 'watchQueue' | 'wakeBelowIdle'> {
  readonly listenedAtMs: Milliseconds | undefined;
  readonly callAgainInMs: Milliseconds | undefined;
}

/**
 * A pool with just as many workers as requests has an event for each request and nothing to fork. After two events in a
 * row without a fork the master listens again only when this time is over.
 */
const REST_MS: Milliseconds = 5;

/**
 * Listens only while it matters: a worker more may be forked, or the administrator is still to learn that none may.
 * With idle workers they tell when they become few; without, the listening socket tells of each connection.
 *
 * @param enough idle workers that the pool wants at least, from 1
 */
export function listen(
  snapshot: PoolSnapshot,
  growth: Growth,
  parts: {
    readonly enough: Count;
    readonly isMaxTold: boolean;
    readonly listenedAtMs: Milliseconds | undefined;
  },
): Attention {
  const { nowMs, idle } = snapshot;
  const unwatched = { watchQueue: false, wakeBelowIdle: 0, callAgainInMs: undefined };
  const matters = growth.canGrow || (growth.isFull && !parts.isMaxTold);
  if (!matters) return { ...unwatched, listenedAtMs: undefined };

  const restsUntilMs =
    growth.fork === 0 && parts.listenedAtMs !== undefined ? parts.listenedAtMs + REST_MS : nowMs;
  if (restsUntilMs > nowMs)
    return {
      ...unwatched,
      listenedAtMs: parts.listenedAtMs,
      callAgainInMs: Math.min(REST_MS, Math.max(1, Math.ceil(restsUntilMs - nowMs))),
    };
  return {
    watchQueue: idle === 0,
    // Fewer than enough while some are starting: their being ready is the next event, not each request until then.
    wakeBelowIdle: idle === 0 ? 0 : idle >= parts.enough ? parts.enough : 1,
    listenedAtMs: growth.fork === 0 ? nowMs : undefined,
    callAgainInMs: undefined,
  };
}
