import type { Count, Milliseconds } from '../../units.js';
import { nextTokenInMs, refill, type SpawnBucket, take } from './spawn-rate.js';
import { living, type PoolSnapshot, type ScalingMemory, type ScalingSettings } from './types.js';

/** How a pool grows: common to dynamic and ondemand, which differ in the spare workers they want. */
export interface Growth {
  readonly fork: Count;
  /** How many of `fork` are not part of the pool's first fill. */
  readonly grown: Count;
  /** Workers that were missing before, whether or not they may be forked. */
  readonly missing: Count;
  /** There are `pm.max_children` workers, without counting any that leave. */
  readonly isFull: boolean;
  readonly isRoomMissing: boolean;
  /** After `fork`, `pm.max_children` leaves room for more, and nothing that is wanted has to wait. */
  readonly canGrow: boolean;
  readonly bucket: SpawnBucket;
  /** When a fork that is wanted but not allowed may be. */
  readonly retryInMs: Milliseconds | undefined;
}

/** What the pool wants besides serving the clients that wait. */
export interface Wish {
  /** Idle workers once all clients that wait are served. */
  readonly spare: Count;
  /** Workers at the start. */
  readonly start: Count;
}

/** A pool is not told when a worker of another pool ends, which gives `process.max` room: it asks after this time. */
export const ROOM_RETRY_MS: Milliseconds = 1000;

/**
 * Forks what is missing: one worker for each connection that waits, and the spare ones, less those that are idle or on
 * their way. So there are never more forks than connections waiting and spare workers, however often it is asked.
 * Kept-alive workers do not count as free, though they hand their clients over where nothing else helps.
 */
export function grow(
  settings: ScalingSettings,
  snapshot: PoolSnapshot,
  memory: ScalingMemory,
  wish: Wish,
): Growth {
  const workers = living(snapshot);
  const toStart = memory.isFilled ? 0 : Math.max(0, wish.start - workers);
  const spare = Math.max(0, wish.spare - (snapshot.silent ?? 0));
  const toServe = Math.max(0, snapshot.queued + spare - snapshot.idle - snapshot.starting);
  const missing = Math.max(toStart, toServe);

  const bucket = refill(memory.bucket, settings.maxSpawnRate, snapshot.nowMs);
  const places = Math.max(0, settings.maxChildren - workers - snapshot.leaving);
  const wanted = Math.min(missing, places);
  const allowed = Math.max(toStart, Math.floor(bucket.tokens));
  const fork = snapshot.mayFork ? Math.min(wanted, snapshot.room, allowed) : 0;
  const grown = Math.max(0, fork - toStart);
  const left = take(bucket, grown);
  const isHeldUp = snapshot.mayFork && wanted > fork;

  return {
    fork,
    grown,
    missing,
    isFull: workers >= settings.maxChildren,
    isRoomMissing: snapshot.mayFork && wanted > snapshot.room,
    canGrow: snapshot.mayFork && places > fork && !isHeldUp,
    bucket: left,
    retryInMs: isHeldUp ? retryInMs(settings, snapshot.room > fork, left) : undefined,
  };
}

function retryInMs({ maxSpawnRate }: ScalingSettings, hasRoom: boolean, bucket: SpawnBucket): Milliseconds {
  return hasRoom && maxSpawnRate !== undefined ? nextTokenInMs(bucket, maxSpawnRate) : ROOM_RETRY_MS;
}
