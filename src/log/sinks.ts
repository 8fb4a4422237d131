import type { Count } from '../units.js';
import { LOG_LEVELS, type LogLevel } from './levels.js';

/** One line in the forms that sinks need. */
export interface LogEntry {
  /** undefined for the output of a worker. */
  readonly level: LogLevel | undefined;
  /** log_level as configured: php-fpm's priority for syslog. */
  readonly threshold: LogLevel;
  /** For files and terminals, newline included. The output of workers may be several lines. */
  readonly line: Uint8Array;
  /** How many lines `line` has; default 1. */
  readonly lines?: Count;
  /** For syslog, which has its own time and pid. */
  readonly syslogText: string;
}

/** Lines that a sink could not write, told once it can write again. */
export interface LostLines {
  readonly count: Count;
  /** The system's text for the last failure. */
  readonly reason: string;
}

/** Where lines go. Nothing here throws: a log that fails must not take the service with it. */
export interface LogSink {
  write(entry: LogEntry): void;
  /** The sink uses {@link LogEntry.syslogText}; for one that does not, the output of workers may come without it. */
  readonly isSyslog?: boolean;
  /** Losses to tell of, each once; undefined while writing fails, or if nothing was lost. */
  takeLostLines?(): LostLines | undefined;
  /** The sink is not used after this. */
  close(): void;
}

const START_PHASE_LEVEL = LOG_LEVELS.indexOf('notice');

/**
 * For the time until the start is complete: everything goes to `log`, and lines from NOTICE up to `terminal` too, where
 * the administrator waits. The output of workers goes to `log` alone. Closing this sink closes neither of the two.
 */
export function createTeeSink(log: LogSink, terminal: LogSink): LogSink {
  return {
    isSyslog: log.isSyslog === true,
    write(entry) {
      log.write(entry);
      if (entry.level !== undefined && LOG_LEVELS.indexOf(entry.level) >= START_PHASE_LEVEL)
        terminal.write(entry);
    },
    takeLostLines() {
      return log.takeLostLines?.();
    },
    close() {},
  };
}
