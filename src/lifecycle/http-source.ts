import type { HttpSource } from '../http/source.js';
import { livePools, poolMetrics, poolStatus } from '../pages/pool-status.js';
import type { Pool } from '../pool/pool.js';
import type { PoolStatus } from '../status/status.js';
import type { Milliseconds, Seconds } from '../units.js';
import type { MasterFacts } from './master-facts.js';
import { readinessOf } from './readiness.js';

/** The master, for its HTTP server. */
export function httpSource({ version, startEpochMs, pools, state, reloads }: MasterFacts): HttpSource {
  const startEpochS = startEpochMs / 1000;
  return {
    pools: () => poolStatuses(pools()),
    live: () => ({ nowMs: performance.now(), pools: livePools(pools(), { withMemory: true }) }),
    metrics: () => ({
      pools: poolMetrics(pools()),
      master: {
        version,
        pid: process.pid,
        startEpochS,
        reloads: reloads(),
        isLastReloadSuccessful: reloads().isLastComplete,
        lastReloadDurationS: secondsOf(reloads().lastDurationMs),
        lastReloadEpochS: reloads().lastEpochMs / 1000,
        cpuS: cpuSeconds(),
        residentBytes: process.memoryUsage.rss(),
      },
    }),
    readiness: () => readinessOf(pools(), state()),
  };
}

function secondsOf(ms: Milliseconds | undefined): Seconds | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function* poolStatuses(pools: readonly Pool[]): Generator<PoolStatus> {
  for (const pool of pools) yield poolStatus(pool, performance.now());
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
