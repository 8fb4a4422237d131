import { poolSummary } from '../control/pool-summary.js';
import type {
  ControlMasterStatus,
  ControlResult,
  ControlStatus,
  ControlTarget,
  StopKind,
} from '../control/target.js';
import { EXIT_CONFIG, EXIT_OK } from '../errors.js';
import { liveSnapshot, poolStatus } from '../pages/pool-status.js';
import { traceWorkers } from '../pages/trace-workers.js';
import type { Master, MasterOutcome } from './master.js';
import type { CheckedFile } from './read-config.js';
import { readinessOf } from './readiness.js';
import type { MasterSignal } from './transitions.js';

/** What is refused, or has failed with the old generation serving on. */
const EXIT_NOT_DONE = 1;

const STOP_SIGNALS: Readonly<Record<StopKind, MasterSignal>> = {
  finish: 'SIGQUIT',
  terminate: 'SIGTERM',
  kill: 'SIGINT',
};

/** The master, for its control socket. */
export function controlTarget(master: Master): ControlTarget {
  return {
    status: async () => status(master),
    live: async () => ({
      ...liveSnapshot(master.pools.pools(), { withMemory: false }),
      master: masterStatus(master),
    }),
    reload: async (tell) => {
      tell('reloading: a new generation has to prove itself first');
      return result(await master.reload());
    },
    reopen: async () => result(master.reopenLogs()),
    stop: async (kind) => {
      master.onSignal(STOP_SIGNALS[kind]);
      return { ok: true, exitCode: EXIT_OK, lines: ['stopping'] };
    },
    upgrade: async (tell) => {
      tell('upgrading: the installed program has to prove itself first');
      return result(await master.upgrade());
    },
    upgraded: async () =>
      result(master.lastUpgrade ?? { isComplete: false, summary: 'there was no upgrade' }),
    trace: async (request, tell, isWanted) => {
      const outcome = await traceWorkers(master.pools.pools(), request, tell, isWanted);
      return { ...outcome, exitCode: outcome.ok ? EXIT_OK : EXIT_NOT_DONE };
    },
    test: async () => testResult(master.testConfig(), master.configFile),
  };
}

function result({ isComplete, summary }: MasterOutcome): ControlResult {
  return { ok: isComplete, exitCode: isComplete ? EXIT_OK : EXIT_NOT_DONE, lines: [summary] };
}

function testResult({ config, problems }: CheckedFile, file: string): ControlResult {
  const isGood = config !== undefined;
  return {
    ok: isGood,
    exitCode: isGood ? EXIT_OK : EXIT_CONFIG,
    lines: [
      ...problems.map(({ level, message }) => `${level.toUpperCase()}: ${message}`),
      `configuration file ${file} test ${isGood ? 'is successful' : 'failed'}`,
    ],
  };
}

function masterStatus(master: Master): ControlMasterStatus {
  const { ready, reason } = readinessOf(master.pools.pools(), master.state);
  const { succeeded, failed, isLastComplete } = master.reloads;
  return {
    version: master.version,
    pid: process.pid,
    state: master.state,
    configFile: master.configFile,
    startSinceS: Math.floor((Date.now() - master.startEpochMs) / 1000),
    ready,
    reason,
    reloads: { succeeded, failed, isLastSuccessful: isLastComplete },
  };
}

function status(master: Master): ControlStatus {
  return {
    master: masterStatus(master),
    pools: master.pools.pools().map((pool) =>
      poolSummary(poolStatus(pool, performance.now()), {
        listen: pool.config.listen,
        maxChildren: pool.config.pmMaxChildren,
        generation: pool.generationNumber,
        draining: pool.drainingCount,
        trouble: pool.trouble,
      }),
    ),
  };
}
