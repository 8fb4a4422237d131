import type { Count, Milliseconds } from '../../units.js';

/**
 * The fewest idle workers in each of the last {@link PARTS} parts of the idle timeout. A worker above the minimum of
 * all of them was not needed for the whole timeout, whichever worker that was: the kernel wakes waiting workers in
 * turn, so under a trickle of requests no single worker stays idle for long, yet most are spare.
 */
export interface IdleWindow {
  /** The part that is being filled began then. */
  readonly fromMs: Milliseconds;
  /** Fewest in that part so far. */
  readonly low: Count;
  /** The parts before that one, oldest first; at most {@link PARTS}. */
  readonly past: readonly Count[];
}

/** Excess workers end at most one part of the timeout too late. */
const PARTS = 10;

export function emptyWindow(nowMs: Milliseconds): IdleWindow {
  return { fromMs: nowMs, low: 0, past: [] };
}

function partMs(idleTimeoutMs: Milliseconds): Milliseconds {
  return idleTimeoutMs / PARTS;
}

/** @param now `idle` at this moment, `lowest` since the last call */
export function observe(
  window: IdleWindow,
  now: { readonly nowMs: Milliseconds; readonly idle: Count; readonly lowest: Count },
  idleTimeoutMs: Milliseconds,
): IdleWindow {
  const low = Math.min(window.low, now.lowest);
  // A part ends at the first call after its time is over: what was lowest since the last call then belongs to it alone.
  const parts = Math.floor((now.nowMs - window.fromMs) / partMs(idleTimeoutMs));
  if (parts <= 0) return { ...window, low };
  const ended = new Array<Count>(Math.min(parts, PARTS)).fill(low);
  return { fromMs: now.nowMs, low: now.idle, past: [...window.past, ...ended].slice(-PARTS) };
}

/** Workers that were idle all the time; 0 until the window is full. */
export function alwaysIdle(window: IdleWindow): Count {
  return window.past.length < PARTS ? 0 : Math.min(window.low, ...window.past);
}

/** @returns the window as it were if `retired` workers fewer had been idle all the time */
export function without(window: IdleWindow, retired: Count): IdleWindow {
  const less = (count: Count): Count => Math.max(0, count - retired);
  return { ...window, low: less(window.low), past: window.past.map(less) };
}

/** When the part that is being filled ends, at least 1. */
export function nextPartInMs(
  window: IdleWindow,
  nowMs: Milliseconds,
  idleTimeoutMs: Milliseconds,
): Milliseconds {
  return Math.max(1, Math.ceil(window.fromMs + partMs(idleTimeoutMs) - nowMs));
}
