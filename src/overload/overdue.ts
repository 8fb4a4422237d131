import type { Count, Milliseconds } from '../units.js';

/** What a pool allows its listen queue. */
export interface QueueLimits {
  /** `queue.timeout`: how long a client may wait; 0 is for ever. */
  readonly timeoutMs: Milliseconds;
  /** `queue.max`: how many clients may wait; 0 is any number. */
  readonly most: Count;
}

/** A client that waits, by whatever tells it from the others; undefined: it has left and keeps its place. */
type Client = number | bigint | undefined;

/** Since when which client has been seen to wait: the kernel does not tell when it came. */
export type SeenSince = ReadonlyMap<NonNullable<Client>, Milliseconds>;

export const NOBODY: SeenSince = new Map();

/** The clients of a queue at one moment. */
export interface QueueSnapshot {
  readonly clients: readonly Client[];
  /** Otherwise their order says nothing. */
  readonly isOldestFirst: boolean;
}

/** How many clients, from the one that has waited longest on, are to be answered instead of served. */
export interface Overdue {
  /** They have been seen to wait for `timeoutMs`, or one behind them has. */
  readonly late: Count;
  /** So many more wait than may. */
  readonly surplus: Count;
  /** For the next call. */
  readonly seenSince: SeenSince;
}

/**
 * Who has waited too long, and how many wait too many. Clients are accepted in the order in which they came, whoever
 * accepts them, so those who are late are always at the head of the queue.
 *
 * A client is late by its first sighting: it has waited as long as that at least, and longer by the time between two
 * calls at most.
 *
 * @param before of the call before this one; {@link NOBODY} at the first, and after a time without any client
 */
export function overdue(
  { timeoutMs, most }: QueueLimits,
  { clients, isOldestFirst }: QueueSnapshot,
  nowMs: Milliseconds,
  before: SeenSince,
): Overdue {
  const seenSince = new Map<NonNullable<Client>, Milliseconds>();
  let late = 0;
  for (const [index, client] of clients.entries()) {
    if (client === undefined) continue;
    const sinceMs = before.get(client) ?? nowMs;
    seenSince.set(client, sinceMs);
    if (timeoutMs > 0 && nowMs - sinceMs >= timeoutMs) late = isOldestFirst ? index + 1 : late + 1;
  }
  return { late, surplus: most > 0 ? Math.max(0, clients.length - most) : 0, seenSince };
}

/** Between two turns that turn clients away, by how long the first took: a quarter of the master's time for a pool. */
const REST = 3;
const LONGEST_REST_MS: Milliseconds = 10;

/** When to go on with clients that are still to be turned away. */
export function restMs(tookMs: Milliseconds): Milliseconds {
  return Math.min(REST * tookMs, LONGEST_REST_MS);
}

const SHORTEST_PAUSE_MS: Milliseconds = 20;
const LONGEST_PAUSE_MS: Milliseconds = 250;
/** How long a queue may exceed `queue.max`. */
const SURPLUS_PAUSE_MS: Milliseconds = 100;
/** Looking takes no more than this part of the master's time; but pauses stay below so many usual ones. */
const MOST_BUSY = 0.05;
const LONGEST_STRETCH = 4;

/**
 * When to look at a queue again in which somebody waits.
 *
 * @param tookMs how long the last look took: with very many sockets on the machine the kernel searches for some ms
 */
export function pauseMs({ timeoutMs, most }: QueueLimits, tookMs: Milliseconds): Milliseconds {
  const fine =
    timeoutMs > 0 ? Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, timeoutMs / 20)) : Infinity;
  const usual = Math.min(fine, most > 0 ? SURPLUS_PAUSE_MS : Infinity);
  return Math.min(Math.max(usual, tookMs / MOST_BUSY), LONGEST_STRETCH * usual);
}
