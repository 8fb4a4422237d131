import { closeSync, statSync } from 'node:fs';
import { type AccountUse, accountsOfStart, checkAccounts, everyAccount } from '../config/accounts-check.js';
import type { Config } from '../config/config.js';
import { type LoadResult, loadConfig } from '../config/load.js';
import { fatal, isFatal, type Problem } from '../config/problem.js';
import { accessLogProblem } from '../log/access-logs.js';
import type { Logger } from '../log/levels.js';
import type { MasterLog } from '../log/master-log.js';
import { openLog } from '../log/open-log.js';
import { groupByName, isRoot, userByName } from '../os/accounts.js';
import { type FolderIdentity, sharingProblems } from '../zygote/opcache-share.js';
import { definedPhpCgi, type PhpOptions } from '../zygote/php-arguments.js';
import { findPhpCgi, PhpBinaryError } from '../zygote/php-binary.js';
import { phpIniLookup } from '../zygote/php-ini.js';

/** What the command line says of how the configuration is read. */
export interface ReadOptions {
  /** The path that the command line gives: messages and the process title show it. */
  readonly file: string;
  readonly prefix: string | undefined;
  /** `--allow-to-run-as-root` */
  readonly allowRoot: boolean;
  readonly php: PhpOptions;
}

/** A configuration file, read and checked against the machine, and all that is to say of it. */
export interface CheckedFile {
  /** undefined where something is fatal. */
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
}

/** The configuration, checked in itself; what is to say of it is left to the caller. */
export function loadFile(options: ReadOptions): LoadResult {
  const loaded = loadConfig({
    ...options,
    phpIni: phpIniLookup(options.php, process.env),
    environment: process.env,
    isRoot: isRoot(),
    touchLog: (path) => closeSync(openLog(path)),
  });
  const pools = loaded.config?.pools ?? [];
  const programOf = (phpCgi: string | undefined) => programPath(phpCgi ?? definedPhpCgi(options.php));
  const sharing = sharingProblems(pools, { identify: identifyFolder, programOf });
  return { ...loaded, problems: [...loaded.problems, ...sharing] };
}

function programPath(phpCgi: string | undefined): string | undefined {
  try {
    return findPhpCgi(phpCgi, process.env.PATH);
  } catch (error) {
    if (error instanceof PhpBinaryError) return undefined; // whoever starts the pool tells why
    throw error;
  }
}

function identifyFolder(path: string): FolderIdentity | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && { device: stats.dev, inode: stats.ino };
}

/**
 * For a start: the accounts that it uses must exist.
 *
 * @param log gets the level that the file asks for, and nothing is told there
 */
export function readForStart(options: ReadOptions, log: MasterLog): CheckedFile {
  const loaded = loadFile(options);
  if (loaded.config !== undefined) log.setLevel(loaded.config.global.logLevel);
  return checkedOnMachine(loaded, accountsOfStart(isRoot()));
}

/** For a start, with whatever is wrong told in the log. */
export function readConfig(options: ReadOptions, log: MasterLog): CheckedFile {
  const checked = readForStart(options, log);
  tellProblems(checked.problems, log);
  return checked;
}

/**
 * For a reload, with whatever is wrong told in the log. Users and groups are looked up pool by pool then, since one
 * unknown name concerns one pool.
 */
export function readConfigAgain(options: ReadOptions, log: Logger): CheckedFile {
  const { config, problems } = loadFile(options);
  tellProblems(problems, log);
  return { config, problems };
}

/** For a test of the file by a master that runs: what `-t` asks for. */
export function readForTest(options: ReadOptions): CheckedFile {
  return checkedOnMachine(loadFile(options), everyAccount);
}

function checkedOnMachine({ config, problems }: LoadResult, isUsed: AccountUse): CheckedFile {
  if (config === undefined) return { config, problems };
  const all = [...problems, ...checkMachine(config, isUsed)];
  return { config: all.some(isFatal) ? undefined : config, problems: all };
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

/** Each problem as one line at its level. */
export function tellProblems(problems: readonly Problem[], log: Logger): void {
  for (const { level, message } of problems) log[level](message);
}
