import type { HttpSource, Readiness } from '../../../src/http/source.js';
import { HOSTILE_POOL, METRICS, POOL } from '../status/sample.js';

export const READY: Readiness = { ready: true, reason: 'ready' };

export function fakeSource(readiness: () => Readiness = () => READY): HttpSource {
  return {
    pools: () => [POOL, HOSTILE_POOL],
    live: () => ({ nowMs: 5, pools: [] }),
    metrics: () => METRICS,
    readiness,
  };
}
