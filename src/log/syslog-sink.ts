import { closeSyslog, openSyslog, type SyslogPriority, writeSyslog } from '../os/syslog.js';
import type { LogLevel } from './levels.js';
import { syslogMessages } from './line-format.js';
import type { LogSink } from './sinks.js';

const PRIORITIES: Readonly<Record<LogLevel, SyslogPriority>> = {
  debug: 'debug',
  notice: 'notice',
  warning: 'warning',
  error: 'err',
  alert: 'alert',
};

/**
 * The log of `error_log = syslog`. Every message has the priority of the configured log_level, as with php-fpm; its own
 * level is in its text.
 *
 * @param ident syslog.ident
 * @param facility as `<syslog.h>` numbers them: 24 is LOG_DAEMON
 */
export function createSyslogSink(ident: string, facility: number): LogSink {
  openSyslog(ident, facility);
  return {
    isSyslog: true,
    write(entry) {
      for (const message of syslogMessages(entry.syslogText))
        writeSyslog(PRIORITIES[entry.threshold], message);
    },
    close: closeSyslog,
  };
}
