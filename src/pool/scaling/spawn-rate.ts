import type { Count, Milliseconds } from '../../units.js';

/** What `pm.max_spawn_rate` still allows: that many forks at once, then that many each second. */
export interface SpawnBucket {
  /** Forks allowed now, with the fraction that has grown towards the next; Infinity without a limit. */
  readonly tokens: number;
  readonly atMs: Milliseconds;
}

export function fullBucket(rate: Count | undefined, nowMs: Milliseconds): SpawnBucket {
  return { tokens: rate ?? Number.POSITIVE_INFINITY, atMs: nowMs };
}

export function refill(bucket: SpawnBucket, rate: Count | undefined, nowMs: Milliseconds): SpawnBucket {
  if (rate === undefined) return fullBucket(rate, nowMs);
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  return { tokens: Math.min(rate, bucket.tokens + (elapsedMs * rate) / 1000), atMs: nowMs };
}

export function take(bucket: SpawnBucket, forks: Count): SpawnBucket {
  return { ...bucket, tokens: Math.max(0, bucket.tokens - forks) };
}

/** Time until the next fork is allowed, at least 1. */
export function nextTokenInMs(bucket: SpawnBucket, rate: Count): Milliseconds {
  return Math.max(1, Math.ceil(((1 - bucket.tokens) * 1000) / rate));
}
