import { closeSync, openSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { Arrivals } from '../os/arrivals.js';
import { answerQuestion } from '../pages/answers.js';
import { Pool } from '../pool/pool.js';
import { ProcessBudget } from '../pool/process-budget.js';
import type { Environment } from '../zygote/environment.js';
import { type Privilege, poolAccount } from '../zygote/identity.js';
import { Orphans } from '../zygote/orphans.js';
import type { PhpOptions } from '../zygote/php-arguments.js';
import { RUNTIME_LIBRARY } from '../zygote/runtime-library.js';
import { StandInSocket } from '../zygote/stand-in.js';
import { OWN_STARTS } from '../zygote/templates.js';

export interface TrialParts {
  readonly log: MasterLog;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly privilege: Privilege;
}

/**
 * Starts every pool on a socket that no client knows, has one of its workers answer, and ends it.
 *
 * @returns whether all of them can serve; what cannot has been logged
 */
export async function provePools(config: Config, parts: TrialParts): Promise<boolean> {
  const { log } = parts;
  const libraryFd = openSync(RUNTIME_LIBRARY, 'r');
  const socket = new StandInSocket();
  const accessLogs = new AccessLogs(log);
  try {
    const failures = await Promise.all(
      config.pools.map((pool) =>
        provePool(
          new Pool(
            {
              config: pool,
              account: poolAccount(pool, parts.privilege),
              listenFd: socket.fd,
              php: parts.php,
              environment: parts.environment,
              logLevel: config.global.logLevel,
              emergency: { threshold: 0, intervalS: 0 },
              drainBoundMs: 0,
              arrivals: new Arrivals(),
              budget: new ProcessBudget(0, () => 0),
              answer: answerQuestion,
              onWorkerLeft: () => {},
            },
            {
              log,
              accessLogs,
              orphans: new Orphans(),
              libraryFd,
              zygoteStarts: OWN_STARTS,
              nowMs: () => performance.now(),
            },
          ),
        ),
      ),
    );
    const told = failures.filter((failure) => failure !== undefined);
    for (const failure of told) log.error(failure);
    return told.length === 0;
  } finally {
    await accessLogs.close();
    socket.handOver();
    socket.remove();
    closeSync(libraryFd);
  }
}

async function provePool(pool: Pool): Promise<string | undefined> {
  const prepared = await pool.prepare(pool.plan);
  const failure = typeof prepared === 'string' ? `[pool ${pool.config.name}] ${prepared}` : undefined;
  if (typeof prepared !== 'string') prepared.abandon();
  pool.killWorkers();
  await pool.ended;
  return failure;
}
