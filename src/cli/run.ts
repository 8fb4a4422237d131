import { existsSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { absolutePath, basesFor, defaultConfigFile } from '../config/prefix.js';
import { createStartLog } from '../lifecycle/error-log.js';
import { type ReadOptions, readConfig } from '../lifecycle/read-config.js';
import { failStart } from '../lifecycle/start-failure.js';
import { proveMaster, runMaster } from '../main.js';
import { takeInheritance } from '../upgrade/inheritance.js';
import { takeTrialMark } from '../upgrade/installed-program.js';
import { TAKEOVER_MARK } from '../upgrade/takeover.js';
import { daemonize, tellLauncher } from './daemonize.js';
import type { MasterOptions } from './options.js';

/** `-y`, or the default below the prefix, or /etc/tsfpm.conf. */
export function configFile(options: Pick<MasterOptions, 'configFile' | 'prefix'>): string {
  return options.configFile ?? defaultConfigFile(options.prefix, existsSync);
}

/** The options that say how the configuration is read. */
export function readOptions(options: MasterOptions): ReadOptions {
  return {
    file: configFile(options),
    prefix: options.prefix,
    allowRoot: options.allowRoot,
    php: options.php,
  };
}

/**
 * The master, in this process or in the background.
 *
 * @param isDaemon this is the process in the background already
 * @returns the exit code
 */
export async function run(options: MasterOptions, isDaemon: boolean): Promise<number> {
  if (takeTrialMark(process.env)) return proveMaster(readOptions(options));
  if (process.env[TAKEOVER_MARK] !== undefined) return runAfterAnother(options);
  if (!isDaemon && options.daemonize !== false) {
    const log = createStartLog();
    const checked = readConfig(readOptions(options), log);
    if (checked.config === undefined) return failStart(log);
    if (wantsBackground(options, checked.config)) return daemonize(log);
    return runMaster({
      ...runOptions(options),
      isForeground: true,
      checked,
      inheritance: takeInheritance(process.env),
    });
  }
  return runMaster({
    ...runOptions(options),
    isForeground: !isDaemon,
    inheritance: takeInheritance(process.env),
    ...(isDaemon ? { onUp: tellLauncher } : {}),
  });
}

/** After an upgrade in place: the process is the same, so it stays in the foreground or background. */
function runAfterAnother(options: MasterOptions): Promise<number> {
  const inheritance = takeInheritance(process.env);
  const isForeground = inheritance.takeover?.isBackground !== true;
  return runMaster({ ...runOptions(options), isForeground, inheritance });
}

function wantsBackground(options: MasterOptions, config: Config): boolean {
  return options.daemonize ?? config.global.daemonize;
}

function runOptions(options: MasterOptions) {
  return {
    ...readOptions(options),
    pidFile: options.pidFile && absolutePath(options.pidFile, basesFor(options.prefix).state),
    isStderrForced: options.forceStderr,
  };
}
