import type { HttpSource } from '../http/source.js';
import { liveSnapshot, poolMetrics, poolStatus } from '../pages/pool-status.js';
import type { Milliseconds, Seconds } from '../units.js';
import type { MasterFacts } from './master-facts.js';
import { readinessOf } from './readiness.js';

/** The master, for its HTTP server. */
export function httpSource({ version, startEpochMs, pools, state, reloads }: MasterFacts): HttpSource {
  const startEpochS = startEpochMs / 1000;
  return {
    pools: () => pools().map((pool) => poolStatus(pool, performance.now())),
    live: () => liveSnapshot(pools(), { withMemory: true }),
    metrics: () => ({
      pools: poolMetrics(pools(), performance.now()),
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

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
