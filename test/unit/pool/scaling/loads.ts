import type { ScalingSettings } from '../../../../src/pool/scaling/types.js';
import type { Random, Request } from './simulator.js';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** The pool of the burst in the issue: 2 started, spare 1 to 4, at most 60. */
export function settingsOf(
  pm: ScalingSettings['pm'],
  changes: Partial<ScalingSettings> = {},
): ScalingSettings {
  return {
    pm,
    maxChildren: 60,
    startServers: 2,
    minSpare: 1,
    maxSpare: 4,
    maxSpawnRate: undefined,
    idleTimeoutMs: 10 * SECOND,
    zygoteIdleTimeoutMs: 0,
    ...changes,
  };
}

/** `count` requests at the same moment. */
export function* burst(atMs: number, count: number, serviceMs: number): Generator<Request> {
  for (let i = 0; i < count; i++) yield { atMs, serviceMs };
}

/** A burst in each period, until the end. */
export function* bursts(
  periodMs: number,
  untilMs: number,
  count: number,
  serviceMs: number,
): Generator<Request> {
  for (let atMs = periodMs; atMs <= untilMs; atMs += periodMs) yield* burst(atMs, count, serviceMs);
}

/** Requests at regular distances: `perSecond` tells how many in the second around a time; it is never 0 for long. */
export function* regular(
  untilMs: number,
  serviceMs: number,
  perSecond: (ms: number) => number,
): Generator<Request> {
  for (let atMs = 0; atMs <= untilMs; ) {
    const rate = perSecond(atMs);
    if (rate > 0) yield { atMs, serviceMs };
    atMs += rate > 0 ? SECOND / rate : 100;
  }
}

/** Arrivals without memory (Poisson), services of exponential length. */
export function* irregular(
  random: Random,
  untilMs: number,
  meanServiceMs: number,
  perSecond: (ms: number) => number,
): Generator<Request> {
  const exponential = (mean: number): number => -mean * Math.log(1 - random());
  for (let atMs = 0; atMs <= untilMs; ) {
    const rate = perSecond(atMs);
    if (rate > 0) yield { atMs, serviceMs: exponential(meanServiceMs) };
    atMs += rate > 0 ? exponential(SECOND / rate) : 100;
  }
}

/** A rate that wanders between two limits, a step each second. */
export function wandering(random: Random, low: number, high: number): (ms: number) => number {
  let rate = (low + high) / 2;
  let second = 0;
  return (ms) => {
    for (; second < Math.floor(ms / SECOND); second++)
      rate = Math.min(high, Math.max(low, rate + (random() - 0.5) * 0.1 * (high - low)));
    return rate;
  };
}
