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
import type { MasterFacts } from './master-facts.js';
import type { Outcome } from './outcome.js';
import type { CheckedFile } from './read-config.js';
import { readinessOf } from './readiness.js';
import type { MasterSignal } from './transitions.js';

/** Exit code of a command that is refused, or has failed while the old generation serves on. */
const EXIT_NOT_DONE = 1;

const STOP_SIGNALS: Readonly<Record<StopKind, MasterSignal>> = {
  finish: 'SIGQUIT',
  terminate: 'SIGTERM',
  kill: 'SIGINT',
};

/** What the control socket asks a master to do. */
export interface MasterCommands {
  reload(): Promise<Outcome>;
  upgrade(): Promise<Outcome>;
  reopenLogs(): Outcome;
  onSignal(signal: MasterSignal): void;
  /** How the last upgrade ended, here or in the program before this one. */
  lastUpgrade(): Outcome | undefined;
  /** What `-t` would find in the file. */
  readForTest(): CheckedFile;
}

/** The master, for its control socket. */
export function controlTarget(facts: MasterFacts, commands: MasterCommands): ControlTarget {
  const { pools } = facts;
  return {
    status: async () => status(facts),
    live: async () => ({ ...liveSnapshot(pools(), { withMemory: false }), master: masterStatus(facts) }),
    reload: async (tell) => {
      tell('reloading: a new generation has to prove itself first');
      return result(await commands.reload());
    },
    reopen: async () => result(commands.reopenLogs()),
    stop: async (kind) => {
      commands.onSignal(STOP_SIGNALS[kind]);
      return { ok: true, exitCode: EXIT_OK, lines: ['stopping'] };
    },
    upgrade: async (tell) => {
      tell('upgrading: the installed program has to prove itself first');
      return result(await commands.upgrade());
    },
    upgraded: async () =>
      result(commands.lastUpgrade() ?? { isComplete: false, summary: 'there was no upgrade' }),
    trace: async (request, tell, isWanted) => {
      const outcome = await traceWorkers(pools(), request, tell, isWanted);
      return { ...outcome, exitCode: outcome.ok ? EXIT_OK : EXIT_NOT_DONE };
    },
    test: async () => testResult(commands.readForTest(), facts.configFile),
  };
}

function result({ isComplete, summary, reasons = [] }: Outcome): ControlResult {
  return { ok: isComplete, exitCode: isComplete ? EXIT_OK : EXIT_NOT_DONE, lines: [...reasons, summary] };
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

function masterStatus(facts: MasterFacts): ControlMasterStatus {
  const { version, configFile, startEpochMs } = facts;
  const state = facts.state();
  const { ready, reason } = readinessOf(facts.pools(), state);
  const { succeeded, failed, isLastComplete } = facts.reloads();
  return {
    version,
    pid: process.pid,
    state,
    configFile,
    startSinceS: Math.floor((Date.now() - startEpochMs) / 1000),
    ready,
    reason,
    reloads: { succeeded, failed, isLastSuccessful: isLastComplete },
  };
}

function status(facts: MasterFacts): ControlStatus {
  return {
    master: masterStatus(facts),
    pools: facts.pools().map((pool) =>
      poolSummary(poolStatus(pool, performance.now()), {
        listen: pool.config.listen,
        maxChildren: pool.config.pmMaxChildren,
        generation: pool.generationNumber,
        draining: pool.drainingCount,
        zygotePid: pool.generation?.zygotePid ?? null,
        trouble: pool.trouble,
      }),
    ),
  };
}
