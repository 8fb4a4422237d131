import type { Config } from '../config/config.js';
import { absolutePath, basesFor, defaultConfigFile } from '../config/prefix.js';
import { EXIT_CONFIG } from '../errors.js';
import type { MasterLog } from '../log/master-log.js';
import {
  createStartLog,
  type LoadOptions,
  proveMaster,
  readConfig,
  runMaster,
  takeInheritance,
} from '../main.js';
import { TAKEOVER_MARK, takeTrialMark } from '../upgrade/takeover.js';
import { daemonize, tellLauncher } from './daemonize.js';
import type { MasterOptions } from './options.js';

/** `-y`, or the default below the prefix, or /etc/tsfpm.conf. */
export function configFile(options: Pick<MasterOptions, 'configFile' | 'prefix'>): string {
  return options.configFile ?? defaultConfigFile(options.prefix);
}

/** What of the command line says how the configuration is read. */
export function loadOptions(options: MasterOptions): LoadOptions {
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
  if (takeTrialMark(process.env)) return proveMaster(loadOptions(options));
  if (process.env[TAKEOVER_MARK] !== undefined) return runAfterAnother(options);
  if (!isDaemon && options.daemonize !== false) {
    const log = createStartLog();
    const checked = readConfig(loadOptions(options), log);
    if (checked.config === undefined) return failed(log);
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

/** The process is the same as before, and so is its place in the foreground or background. */
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
    ...loadOptions(options),
    pidFile: options.pidFile && absolutePath(options.pidFile, basesFor(options.prefix).state),
    isStderrForced: options.forceStderr,
  };
}

function failed(log: MasterLog): number {
  log.error('FPM initialization failed');
  return EXIT_CONFIG;
}
