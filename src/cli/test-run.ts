import { fatal } from '../config/problem.js';
import { errorText } from '../errors.js';
import { ErrorLog } from '../lifecycle/error-log.js';
import { checkMachine, createStartLog, loadFile } from '../main.js';
import type { MasterOptions } from './options.js';
import { loadOptions } from './run.js';
import { testConfig } from './test.js';

/**
 * `-t` and `-tt`. As under php-fpm the error log is opened for real, and where the tested file says that the service
 * runs in the background, or stderr is no terminal, the lines go there too.
 *
 * @returns the exit code
 */
export function test(options: MasterOptions & { readonly dump: boolean }): number {
  const log = createStartLog();
  const { file, ...how } = loadOptions(options);
  const result = loadFile({ file, ...how });
  if (result.config !== undefined) {
    const isForeground = !(options.daemonize ?? result.config.global.daemonize);
    const errorLog = new ErrorLog(log, { isForeground, isStderrForced: options.forceStderr });
    try {
      errorLog.open(result.config.global);
    } catch (error) {
      const message = errorText(error);
      const problems = [
        ...result.problems,
        fatal(message),
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
