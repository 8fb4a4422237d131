import type { Config } from '../config/config.js';
import { dumpConfig } from '../config/dump.js';
import type { LoadResult } from '../config/load.js';
import { fatal, isFatal, type Problem } from '../config/problem.js';
import { EXIT_OK, errorText } from '../errors.js';
import { createStartLog, ErrorLog } from '../lifecycle/error-log.js';
import { checkMachine, loadFile, tellProblems } from '../lifecycle/read-config.js';
import { failStart } from '../lifecycle/start-failure.js';
import type { Logger } from '../log/levels.js';
import type { MasterOptions } from './options.js';
import { readOptions } from './run.js';

/**
 * `-t` and `-tt`. As under php-fpm the error log is opened for real, and where the tested file says that the service
 * runs in the background, or stderr is no terminal, the lines go there too.
 *
 * @returns the exit code
 */
export function test(options: MasterOptions & { readonly dump: boolean }): number {
  const log = createStartLog();
  const { file, ...how } = readOptions(options);
  const result = loadFile({ file, ...how });
  if (result.config !== undefined) {
    const isForeground = !(options.daemonize ?? result.config.global.daemonize);
    const errorLog = new ErrorLog(log, { isForeground, isStderrForced: options.forceStderr });
    try {
      errorLog.open(result.config.global);
    } catch (error) {
      const problems = [
        ...result.problems,
        fatal(errorText(error)),
        fatal('failed to post process the configuration'),
      ];
      return testConfig({ problems }, { file, dump: false }, log);
    }
  }
  return testConfig(
    result,
    { file, dump: options.dump, checkMachine, endWithEmptyLine: () => process.stderr.write('\n') },
    log,
  );
}

export interface TestOptions {
  /** The path that the command line gives, for the last line. */
  readonly file: string;
  /** `-tt`: show every setting. */
  readonly dump: boolean;
  /** What can only be asked of the machine: whether the users and groups exist. */
  readonly checkMachine?: (config: Config) => readonly Problem[];
  /** Leaves the empty line that php-fpm has behind its success; a Logger writes one line for one message. */
  readonly endWithEmptyLine?: () => void;
}

/**
 * Tells everything there is to say of a configuration that was read, by the log.
 *
 * @returns the exit code
 */
export function testConfig({ config, problems }: LoadResult, options: TestOptions, logger: Logger): number {
  tellProblems(problems, logger);
  const onMachine = config === undefined ? [] : (options.checkMachine?.(config) ?? []);
  tellProblems(onMachine, logger);
  if (config === undefined || onMachine.some(isFatal)) return failStart(logger);
  for (const line of options.dump ? dumpConfig(config) : []) logger.notice(line);
  logger.notice(`configuration file ${options.file} test is successful`);
  options.endWithEmptyLine?.();
  return EXIT_OK;
}
