import type { Config } from '../config/config.js';
import { dumpConfig } from '../config/dump.js';
import type { LoadResult } from '../config/load.js';
import { isFatal, type Problem } from '../config/problem.js';
import { EXIT_CONFIG, EXIT_OK } from '../errors.js';
import type { Logger } from '../log/levels.js';

export interface TestOptions {
  /** As given on the command line, for the last line. */
  readonly file: string;
  /** `-tt`: show every setting. */
  readonly dump: boolean;
  /** What can only be asked of the machine: whether the users and groups exist. */
  readonly checkMachine?: (config: Config) => readonly Problem[];
  /** Leaves the empty line that php-fpm has behind its success; a Logger writes one line for one message. */
  readonly endWithEmptyLine?: () => void;
}

/** Each problem as one line at its level. */
export function logProblems(problems: readonly Problem[], logger: Logger): void {
  for (const { level, message } of problems) {
    logger[level](message);
  }
}

/**
 * `-t`: tells everything there is to say of the configuration, by the log.
 *
 * @returns the exit code
 * @see cli.md section 4
 */
export function testConfig({ config, problems }: LoadResult, options: TestOptions, logger: Logger): number {
  logProblems(problems, logger);
  const onMachine = config === undefined ? [] : (options.checkMachine?.(config) ?? []);
  logProblems(onMachine, logger);
  if (config === undefined || onMachine.some(isFatal)) {
    logger.error('FPM initialization failed');
    return EXIT_CONFIG;
  }
  for (const line of options.dump ? dumpConfig(config) : []) {
    logger.notice(line);
  }
  logger.notice(`configuration file ${options.file} test is successful`);
  options.endWithEmptyLine?.();
  return EXIT_OK;
}
