import { realpathSync } from 'node:fs';
import type { GlobalConfig } from './config/config.js';
import { EXIT_CONFIG, EXIT_OK } from './errors.js';
import { createStartLog, ErrorLog } from './lifecycle/error-log.js';
import { checkFacilities } from './lifecycle/facilities.js';
import { applyMasterLimits } from './lifecycle/limits.js';
import { Master, type MasterOptions } from './lifecycle/master.js';
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
import { InheritedStock } from './listen/inherited.js';
import { AccessLogs } from './log/access-logs.js';
import { isRoot } from './os/accounts.js';
import { setProcessTitle } from './os/title.js';
import { Fallback } from './upgrade/fallback.js';
import { type Inheritance, NOTHING_INHERITED } from './upgrade/inheritance.js';
import { Predecessor } from './upgrade/predecessor.js';
import { provePools } from './upgrade/trial.js';
import { ownVersion } from './version.js';
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
  const log = createStartLog();
  setProcessTitle(`tsfpm: master process (${shownPath(options.file)})`);
  const { takeover, sockets, notify } = options.inheritance ?? NOTHING_INHERITED;
  const accessLogs = new AccessLogs(log);
  const predecessor =
    takeover && new Predecessor({ takeover, sockets, environment: process.env, notify, log, accessLogs });
  const failed = (code = EXIT_CONFIG) =>
    predecessor === undefined
      ? failStart(log, code)
      : new Fallback({ predecessor, log, accessLogs, notify }).serve();
  let checked: CheckedFile | undefined = options.checked;
  try {
    checked ??= readForStart(options, log);
  } catch (error) {
    return failed(tellFailure(error, log));
  }
  const { config, problems } = checked;
  // Whoever started this process in the background has read the file before, and told.
  const isTold = options.checked !== undefined || (!options.isForeground && predecessor === undefined);
  if (config === undefined || !isTold) tellProblems(problems, log);
  if (config === undefined) return failed();
  const errorLog = new ErrorLog(log, options);
  const master = createMaster({
    config,
    log,
    errorLog,
    accessLogs,
    pidFile: options.pidFile,
    php: options.php,
    environment: poolEnvironment(config.global),
    isRoot: isRoot(),
    allowRoot: options.allowRoot,
    version: ownVersion(),
    configFile: options.file,
    readConfig: () => readConfigAgain(options, log),
    testConfig: () => readForTest(options),
    isForeground: options.isForeground,
    inherited: new InheritedStock(sockets),
    predecessor,
    restarts: takeover?.restarts,
    notify,
  });
  if (master === undefined) return failed();
  try {
    errorLog.open(config.global, predecessor === undefined ? problems : []);
    if (predecessor !== undefined) errorLog.settle(); // stderr is the log already
    applyMasterLimits(config.global, isRoot());
    checkFacilities(config, log);
    master.takeSignals();
    await master.start();
    if (!master.isStopping) errorLog.settle();
  } catch (error) {
    const code = tellFailure(error, log);
    await master.abandon();
    return failed(code);
  }
  if (!master.isStopping) {
    log.notice(`fpm is running, pid ${process.pid}`);
    master.run();
    log.notice('ready to handle connections');
    options.onUp?.();
  }
  return master.untilStopped();
}

/**
 * Every pool on trial: started and proven on sockets of its own, and ended again. For an upgrade in place, which asks the
 * new program before it gives way to it.
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

/** @returns undefined where there is no runtime to run with; that has been told */
function createMaster(options: MasterOptions): Master | undefined {
  try {
    return new Master(options);
  } catch (error) {
    tellFailure(error, options.log);
    return undefined;
  }
}

function shownPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file; // removed since it was read
  }
}
