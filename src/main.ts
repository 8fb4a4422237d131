import { closeSync, realpathSync } from 'node:fs';
import { type AccountUse, accountsOfStart, checkAccounts, everyAccount } from './config/accounts-check.js';
import type { Config, GlobalConfig } from './config/config.js';
import { type LoadResult, loadConfig } from './config/load.js';
import { fatal, isFatal, type Problem } from './config/problem.js';
import { EXIT_CONFIG, EXIT_OK, EXIT_SOFTWARE, errorText, StartFailure } from './errors.js';
import { ErrorLog } from './lifecycle/error-log.js';
import { checkFacilities } from './lifecycle/facilities.js';
import { applyMasterLimits } from './lifecycle/limits.js';
import { Master, type MasterOptions } from './lifecycle/master.js';
import { mistakeText } from './lifecycle/mistakes.js';
import { addressKey } from './listen/bind.js';
import { type InheritedSocket, InheritedStock } from './listen/inherited.js';
import { AccessLogs, accessLogProblem } from './log/access-logs.js';
import { createStderrSink } from './log/descriptor-sink.js';
import { createMasterLog, type MasterLog } from './log/master-log.js';
import { openLog } from './log/open-log.js';
import { groupByName, userByName } from './os/accounts.js';
import { setCloseOnExec } from './os/descriptor.js';
import { setProcessTitle } from './os/title.js';
import { takeActivation } from './systemd/activation.js';
import { type NotifyEnvironment, takeNotifyEnvironment } from './systemd/notify-environment.js';
import { takeSockets } from './upgrade/inherited-sockets.js';
import { Predecessor } from './upgrade/predecessor.js';
import { type Takeover, takeTakeover } from './upgrade/takeover.js';
import { provePools } from './upgrade/trial.js';
import { ownVersion } from './version.js';
import { type Environment, SOFT_FILES_VARIABLE } from './zygote/environment.js';
import type { PhpOptions } from './zygote/php-arguments.js';
import { phpIniLookup } from './zygote/php-ini.js';

/** How the configuration is read. */
export interface LoadOptions {
  /** As given: it is shown in messages and in the process title. */
  readonly file: string;
  readonly prefix: string | undefined;
  /** `--allow-to-run-as-root` */
  readonly allowRoot: boolean;
  readonly php: PhpOptions;
}

/** What the command line asks for, once it is clear that the master is to run in this process. */
export interface RunOptions extends LoadOptions {
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

/** A log for the time before the configuration says where it goes: stderr, from NOTICE up. */
export function createStartLog(): MasterLog {
  return createMasterLog({ level: 'notice', format: 'fpm', limit: 1024, sink: createStderrSink() });
}

/** A configuration file, read, and all that is to say of it. */
export interface CheckedFile {
  /** undefined where something is fatal. */
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
}

/** The configuration, and whatever is wrong with it in the log. */
export function readConfig(options: LoadOptions, log: MasterLog): CheckedFile {
  const checked = checkFile(options, log);
  tellProblems(checked.problems, log);
  return checked;
}

/** @param log gets the level that the file asks for */
function checkFile(options: LoadOptions, log: MasterLog): CheckedFile {
  const { config, problems } = loadFile(options);
  if (config === undefined) return { config, problems };
  log.setLevel(config.global.logLevel);
  const all = [...problems, ...checkMachine(config, accountsOfStart(isRoot()))];
  return { config: all.some(isFatal) ? undefined : config, problems: all };
}

/** The configuration and everything that is to say of it, untold. */
export function loadFile(options: LoadOptions): LoadResult {
  return loadConfig({
    ...options,
    phpIni: phpIniLookup(options.php, process.env),
    environment: process.env,
    isRoot: isRoot(),
    touchLog: (path) => closeSync(openLog(path)),
  });
}

/**
 * What can only be asked of the machine: whether the users and groups exist, and the access logs can be opened.
 *
 * @param isUsed default: what `-t` asks for
 */
export function checkMachine(config: Config, isUsed: AccountUse = everyAccount): Problem[] {
  const lookup = {
    uidOf: (user: string) => userByName(user)?.uid,
    gidOf: (group: string) => groupByName(group)?.gid,
  };
  const accounts = checkAccounts(config, lookup, isUsed);
  const logs = config.pools.flatMap(({ accessLog }) =>
    accessLog ? (accessLogProblem(accessLog) ?? []) : [],
  );
  return [...accounts, ...logs.map((line) => fatal(line))];
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
  const failed = (code = EXIT_CONFIG) => predecessor?.serveOn() ?? failStart(log, code);
  let checked: CheckedFile | undefined = options.checked;
  try {
    checked ??= checkFile(options, log);
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
    testConfig: () => testFile(options),
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
export async function proveMaster(options: LoadOptions): Promise<number> {
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

/** What a process before this one has left for the master, by its environment; taken out of there. */
export interface Inheritance {
  readonly takeover: Takeover | undefined;
  /** The former program's, and systemd's. */
  readonly sockets: readonly InheritedSocket[];
  readonly notify: NotifyEnvironment | undefined;
}

const NOTHING_INHERITED: Inheritance = { takeover: undefined, sockets: [], notify: undefined };

export function takeInheritance(environment: Record<string, string | undefined>): Inheritance {
  const takeover = takeTakeover(environment);
  const passed = takeSockets(environment).sockets.map((socket) => ({
    ...socket,
    isLent: takeover?.lentFds.includes(socket.fd) === true,
  }));
  for (const { fd } of passed) setCloseOnExec(fd, true);
  const lent = takeActivation(environment, process.pid).sockets.map(({ fd, address }) => ({
    key: addressKey(address),
    fd,
    isLent: true,
  }));
  return {
    takeover,
    sockets: [...passed, ...lent],
    notify: takeNotifyEnvironment(environment, process.pid),
  };
}

/** What `-t` would say, for a master that runs. */
function testFile(options: LoadOptions): { isGood: boolean; lines: string[] } {
  const { config, problems } = loadFile(options);
  const all = [...problems, ...(config === undefined ? [] : checkMachine(config))];
  return {
    isGood: config !== undefined && !all.some(isFatal),
    lines: all.map(({ level, message }) => `${level.toUpperCase()}: ${message}`),
  };
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

/** For a reload: users and groups are looked up pool by pool then, since one unknown name concerns one pool. */
function readConfigAgain(options: LoadOptions, log: MasterLog): Config | undefined {
  const { config, problems } = loadFile(options);
  tellProblems(problems, log);
  return config;
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function shownPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file; // removed since it was read
  }
}

function tellProblems(problems: readonly Problem[], log: MasterLog): void {
  for (const { level, message } of problems) log[level](message);
}

/**
 * What a stage threw is a line for the administrator; a stack trace is only for what is our own mistake.
 *
 * @returns the exit code
 */
function tellFailure(error: unknown, log: MasterLog): number {
  if (error instanceof StartFailure) return error.exitCode; // told where it happened
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    log.alert(mistakeText(error));
    return EXIT_SOFTWARE;
  }
  log.error(errorText(error));
  return EXIT_CONFIG;
}

function failStart(log: MasterLog, code = EXIT_CONFIG): number {
  log.error('FPM initialization failed');
  return code;
}
