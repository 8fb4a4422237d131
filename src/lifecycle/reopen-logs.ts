import type { AccessLogs } from '../log/access-logs.js';
import { LogOpenError } from '../log/file-sink.js';
import type { Logger } from '../log/levels.js';
import type { ErrorLog } from './error-log.js';
import type { Outcome } from './outcome.js';

export interface ReopenedLogs {
  readonly log: Logger;
  readonly errorLog: Pick<ErrorLog, 'reopen'>;
  readonly accessLogs: Pick<AccessLogs, 'isEmpty' | 'reopen'>;
}

/** Opens the files of all logs anew, after a rotation. Like php-fpm, where the error log fails the access logs stay. */
export function reopenLogs({ log, errorLog, accessLogs }: ReopenedLogs): Outcome {
  try {
    errorLog.reopen();
    log.notice('error log file re-opened');
  } catch (error) {
    if (!(error instanceof LogOpenError)) throw error;
    log.error(error.message);
    log.error('unable to re-opened error log file');
    return { isComplete: false, summary: error.message };
  }
  if (accessLogs.isEmpty) return { isComplete: true, summary: 'error log file re-opened' };
  const failures = accessLogs.reopen();
  for (const line of failures) log.error(line);
  if (failures.length === 0) log.notice('access log file re-opened');
  else log.error('unable to re-opened access log file');
  return {
    isComplete: failures.length === 0,
    summary: failures[0] ?? 'error log file re-opened; access log file re-opened',
  };
}
