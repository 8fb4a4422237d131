import { openSync } from 'node:fs';
import type { Config } from './config/config.js';
import { StartFailure } from './errors.js';
import { controlTarget } from './lifecycle/control-target.js';
import type { ErrorLog } from './lifecycle/error-log.js';
import { httpSource } from './lifecycle/http-source.js';
import { Master } from './lifecycle/master.js';
import type { MasterFacts } from './lifecycle/master-facts.js';
import { PidFile } from './lifecycle/pid-file.js';
import type { CheckedFile } from './lifecycle/read-config.js';
import { Reloads } from './lifecycle/reloads.js';
import { reopenLogs } from './lifecycle/reopen-logs.js';
import { Restarts } from './lifecycle/restarts.js';
import { Servers } from './lifecycle/servers.js';
import { serviceLoad, systemdInterval } from './lifecycle/service-facts.js';
import { InheritedStock } from './listen/inherited.js';
import type { AccessLogs } from './log/access-logs.js';
import type { MasterLog } from './log/master-log.js';
import { poolStatus } from './pages/pool-status.js';
import { PoolSet } from './reload/pool-set.js';
import { SystemdService } from './systemd/service.js';
import type { Fd } from './units.js';
import type { Inheritance } from './upgrade/inheritance.js';
import { INSTALLED_PROGRAM } from './upgrade/installed-program.js';
import type { Predecessor } from './upgrade/predecessor.js';
import { Upgrader } from './upgrade/upgrader.js';
import { ownVersion } from './version.js';
import type { Environment } from './zygote/environment.js';
import type { Privilege } from './zygote/identity.js';
import { Orphans } from './zygote/orphans.js';
import type { PhpOptions } from './zygote/php-arguments.js';
import { RUNTIME_LIBRARY } from './zygote/runtime-library.js';
import { Templates } from './zygote/templates.js';

export interface MasterOptions {
  readonly config: Config;
  readonly log: MasterLog;
  readonly errorLog: ErrorLog;
  readonly accessLogs: AccessLogs;
  /** `--pid`, for a configuration that names none. */
  readonly pidFile: string | undefined;
  readonly php: PhpOptions;
  readonly environment: Environment;
  readonly privilege: Privilege;
  /** The path that the command line gives. */
  readonly configFile: string;
  /** Reads the file again and tells what is wrong with it. */
  readonly readConfig: () => CheckedFile;
  /** What `-t` would find in the file. */
  readonly readForTest: () => CheckedFile;
  readonly inheritance: Inheritance;
  readonly predecessor: Predecessor | undefined;
  readonly isForeground: boolean;
}

/**
 * A master with all its parts, which know each other only here.
 *
 * @throws StartFailure without the runtime library; it has been logged
 */
export function createMaster(options: MasterOptions): Master {
  const { config, log, errorLog, accessLogs, environment, privilege, predecessor } = options;
  const { sockets, notify, takeover } = options.inheritance;
  const version = ownVersion();
  const libraryFd = openLibrary(log);
  const orphans = new Orphans();
  const pidFile = new PidFile(options.pidFile);
  const onMistake = (error: unknown) => master.onMistake(error);
  const pools = new PoolSet({
    log,
    tools: {
      ...{ log, accessLogs, orphans, libraryFd },
      zygoteStarts: new Templates(log, orphans, () => performance.now()),
      nowMs: () => performance.now(),
    },
    php: options.php,
    environment,
    privilege,
    onMistake,
    inherited: new InheritedStock(sockets),
  });
  const systemd = new SystemdService({
    environment: notify,
    log,
    load: () => serviceLoad(pools.pools().map((pool) => poolStatus(pool, performance.now()))),
    ...systemdInterval(config),
  });
  const facts: MasterFacts = {
    version,
    configFile: options.configFile,
    startEpochMs: Date.now(),
    pools: () => pools.pools(),
    state: () => master.state,
    reloads: () => reloads.counts,
  };
  const reopen = () => reopenLogs({ log, errorLog, accessLogs });
  const servers = new Servers({
    log,
    source: httpSource(facts),
    target: controlTarget(facts, {
      reload: () => master.reload(),
      upgrade: () => master.upgrade(),
      reopenLogs: reopen,
      onSignal: (signal) => master.onSignal(signal),
      lastUpgrade: () => upgrader.lastOutcome,
      readForTest: options.readForTest,
    }),
  });
  const reloads = new Reloads({
    config,
    log,
    pools,
    errorLog,
    pidFile,
    servers,
    systemd,
    readConfig: options.readConfig,
    onMistake,
  });
  const upgrader = new Upgrader({
    log,
    installed: INSTALLED_PROGRAM,
    version,
    isUpgraded: predecessor !== undefined,
    isBackground: !options.isForeground,
    environment,
    notifyVariables: notify?.variables ?? {},
    flushLogs: async () => {
      for (const pool of pools.pools()) pool.flushRequestLogs();
      await accessLogs.idle();
    },
    finishKeeping: () => pools.finishKeeping(),
    resumeKeeping: () => pools.resumeKeeping(),
    handOver: () => ({ ...pools.handOver(), pidFile: pidFile.path }),
  });
  const master = new Master({
    log,
    isRoot: privilege.isRoot,
    orphans,
    pools,
    reloads,
    restarts: new Restarts(takeover?.restarts),
    upgrader,
    formerProgram: predecessor,
    servers,
    systemd,
    pidFile,
    accessLogs,
    reopenLogs: reopen,
    libraryFd,
  });
  return master;
}

function openLibrary(log: MasterLog): Fd {
  try {
    return openSync(RUNTIME_LIBRARY, 'r');
  } catch {
    log.error(`the runtime library '${RUNTIME_LIBRARY}' is missing; build it with: npm run build`);
    throw new StartFailure('no runtime library');
  }
}
