import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { GlobalConfig } from '../config/config.js';
import type { Problem } from '../config/problem.js';
import { FACILITIES } from '../config/values.js';
import { createStderrSink } from '../log/descriptor-sink.js';
import { type FileSink, openErrorLog } from '../log/file-sink.js';
import { createMasterLog, type MasterLog, type MasterLogOptions } from '../log/master-log.js';
import { createTeeSink, type LogSink } from '../log/sinks.js';
import { keepStderr } from '../log/starting-stderr.js';
import { createSyslogSink } from '../log/syslog-sink.js';
import { replaceDescriptor } from '../os/descriptor.js';

const STDERR = 2;

/** A log for the time before the configuration says where it goes: stderr, from NOTICE up. */
export function createStartLog(): MasterLog {
  return createMasterLog({ level: 'notice', format: 'fpm', limit: 1024, sink: createStderrSink() });
}

/** How the master was started, as far as its messages are concerned. */
export interface ErrorLogOptions {
  readonly isForeground: boolean;
  /** `--force-stderr` */
  readonly isStderrForced: boolean;
}

/**
 * Where the master's messages go: php-fpm's rules.
 *
 * | started | until it runs | then |
 * | --- | --- | --- |
 * | in the foreground, on a terminal or with --force-stderr | stderr | stderr |
 * | in the foreground, otherwise | error log and stderr | error log |
 * | in the background | error log and the caller's stderr | error log |
 */
export class ErrorLog {
  readonly #log: MasterLog;
  readonly #options: ErrorLogOptions;
  #file: FileSink | undefined;
  #sink: LogSink | undefined;
  #isTied = false;

  constructor(log: MasterLog, options: ErrorLogOptions) {
    this.#log = log;
    this.#options = options;
  }

  /**
   * Goes over from stderr to where the configuration wants the log, and keeps telling whoever waits for the start.
   *
   * @param told what stderr was told of the configuration already: the log gets it first
   * @throws LogOpenError
   */
  open(config: GlobalConfig, told: readonly Problem[] = []): void {
    this.#log.configure(lineOptions(config));
    this.#openSink(config);
    // On a terminal the file is made, and stays empty.
    if (this.#staysOnStderr || this.#sink === undefined) return;
    this.#log.setSink(this.#sink);
    for (const { level, message } of told) this.#log[level](message);
    this.#log.setSink(createTeeSink(this.#sink, createStderrSink()));
  }

  #openSink(config: GlobalConfig): void {
    this.#file = isSyslog(config) ? undefined : openErrorLog(config.errorLog);
    this.#sink = this.#file ?? createSyslogSink(config.syslogIdent, FACILITIES[config.syslogFacility]);
  }

  /** Once the service is about to run: the caller who started it gets no more lines on stderr. */
  settle(): void {
    if (this.#staysOnStderr || this.#sink === undefined) return;
    this.#log.setSink(this.#sink);
    this.#isTied = true;
    // In the background stderr belongs to the caller who waits for the start, and is closed, like under php-fpm.
    if (this.#options.isForeground) keepStderr();
    this.#tieStderr();
  }

  /**
   * Follows the configuration that a reload has put in force; lines go on without a gap.
   *
   * @throws LogOpenError and goes on as before
   */
  change(config: GlobalConfig): void {
    const isSame = this.#file === undefined ? isSyslog(config) : this.#file.path === config.errorLog;
    if (!isSame) {
      const old = this.#sink;
      this.#openSink(config);
      this.settle();
      old?.close();
    }
    this.#log.configure(lineOptions(config));
  }

  /**
   * Opens the file anew, after a rotation.
   *
   * @throws LogOpenError and goes on with the old file
   */
  reopen(): void {
    this.#file?.reopen();
    if (this.#isTied) this.#tieStderr();
  }

  get #staysOnStderr(): boolean {
    const { isForeground, isStderrForced } = this.#options;
    return isForeground && (isStderrForced || isatty(STDERR));
  }

  /** What a library of this program may write to descriptor 2 is in the log too. */
  #tieStderr(): void {
    if (this.#file !== undefined) {
      replaceDescriptor(this.#file.fd, STDERR);
      return;
    }
    const nothing = openSync('/dev/null', 'w');
    replaceDescriptor(nothing, STDERR);
    closeSync(nothing);
  }
}

/** How lines look, and which of them are written. */
function lineOptions(config: GlobalConfig): Partial<MasterLogOptions> {
  return {
    level: config.logLevel,
    format: config.logFormat,
    limit: config.logLimit,
    buffersOutput: config.logBuffering || isSyslog(config),
  };
}

function isSyslog(config: GlobalConfig): boolean {
  return config.errorLog.toLowerCase() === 'syslog';
}
