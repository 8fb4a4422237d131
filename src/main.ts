import { realpathSync } from 'node:fs';
import type { Config, GlobalConfig } from './config/config.js';
import { createMaster } from './create-master.js';
import { EXIT_OK, StartFailure } from './errors.js';
import { createStartLog, ErrorLog } from './lifecycle/error-log.js';
import { checkFacilities } from './lifecycle/facilities.js';
import { applyMasterLimits } from './lifecycle/limits.js';
import type { Master } from './lifecycle/master.js';
import {
  type CheckedFile,
  type ReadOptions,
  readConfig,
  readConfigAgain,
  readForStart,
  readForTest,
  tellProblems,
} from './lifecycle/read-config.js';
import { failStart, tellFailure } from './lifecycle/start-failure.js';
import { AccessLogs } from './log/access-logs.js';
import type { MasterLog } from './log/master-log.js';
import { isRoot } from './os/accounts.js';
import { setProcessTitle } from './os/title.js';
import { beatWatchdog } from './systemd/watchdog.js';
import { Fallback } from './upgrade/fallback.js';
import { type Inheritance, NOTHING_INHERITED } from './upgrade/inheritance.js';
import { predecessorOf } from './upgrade/predecessor.js';
import { provePools } from './upgrade/trial.js';
import { type Environment, SOFT_FILES_VARIABLE } from './zygote/environment.js';

/** What the command line asks for, once it is clear that the master is to run in this process. */
export interface RunOptions extends ReadOptions {
  /** Where it has been read already, and what is to say of it told on stderr. */
  readonly checked?: CheckedFile;
  /** `--pid`, for a file that names none. */
  readonly pidFile: string | undefined;
  /** false: this is the background process that the launching one started. */
  readonly isForeground: boolean;
  readonly isStderrForced: boolean;
  readonly inheritance?: Inheritance;
  /** Called once, when the service is up. */
  readonly onUp?: () => void;
}

/**
 * The master's life, one line per stage.
 *
 * @returns the exit code
 */
export async function runMaster(options: RunOptions): Promise<number> {
  const { inheritance = NOTHING_INHERITED } = options;
  const log = createStartLog();
  const accessLogs = new AccessLogs(log);
  setProcessTitle(`tsfpm: master process (${shownPath(options.file)})`);
  const predecessor = predecessorOf(inheritance, { environment: process.env, log, accessLogs });
  const endBeats = beatWatchdog(predecessor && inheritance.notify);
  const errorLog = new ErrorLog(log, options);
  let master: Master | undefined;
  try {
    const { config, problems } = startConfig(options, log, predecessor !== undefined);
    const privilege = { isRoot: isRoot(), allowRoot: options.allowRoot };
    const environment = poolEnvironment(config.global);
    master = createMaster({
      ...options,
      configFile: options.file,
      config,
      environment,
      privilege,
      log,
      errorLog,
      accessLogs,
      inheritance,
      predecessor,
      readConfig: () => readConfigAgain(options, log),
      readForTest: () => readForTest(options),
    });
    errorLog.open(config.global, predecessor === undefined ? problems : []);
    if (predecessor !== undefined) errorLog.settle(); // stderr is the log already
    applyMasterLimits(config.global, privilege.isRoot);
    checkFacilities(config, log);
    master.takeSignals();
    await master.start();
    if (!master.isStopping) errorLog.settle();
  } catch (error) {
    const code = tellFailure(error, log);
    await master?.abandon();
    if (predecessor === undefined) return failStart(log, code);
    return new Fallback({ predecessor, log, accessLogs, notify: inheritance.notify }).serve();
  }
  if (!master.isStopping) {
    log.notice(`fpm is running, pid ${process.pid}`);
    master.run();
    endBeats();
    log.notice('ready to handle connections');
    options.onUp?.();
  }
  return master.untilStopped();
}

/** @throws StartFailure where something is fatal; it has been logged */
function startConfig(
  options: RunOptions,
  log: MasterLog,
  isUpgrade: boolean,
): CheckedFile & { config: Config } {
  const { config, problems } = options.checked ?? readForStart(options, log);
  // Whoever started this process in the background has read the file before, and told.
  const isTold = options.checked !== undefined || (!options.isForeground && !isUpgrade);
  if (config === undefined || !isTold) tellProblems(problems, log);
  if (config === undefined) throw new StartFailure('the configuration is not good');
  return { config, problems };
}

/**
 * Every pool on trial: started and proven on sockets of its own, and ended again. For an upgrade in place, which asks
 * the new program before it gives way to it.
 *
 * @returns the exit code
 */
export async function proveMaster(options: ReadOptions): Promise<number> {
  const log = createStartLog();
  const { config } = readConfig(options, log);
  if (config === undefined) return failStart(log);
  const isProven = await provePools(config, {
    log,
    php: options.php,
    environment: poolEnvironment(config.global),
    privilege: { isRoot: isRoot(), allowRoot: options.allowRoot },
  });
  return isProven ? EXIT_OK : failStart(log);
}

/** The global `rlimit_files` takes the place of the limit that tsfpm was started with, for workers too. */
function poolEnvironment({ rlimitFiles }: GlobalConfig): Environment {
  return { ...process.env, ...(rlimitFiles > 0 ? { [SOFT_FILES_VARIABLE]: undefined } : {}) };
}

function shownPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file; // removed since it was read
  }
}
