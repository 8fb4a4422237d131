import { closeSync } from 'node:fs';
import { compileAccessFormat } from '../accesslog/access-format.js';
import type { AccessLogFile } from '../log/access-log-file.js';
import { AccessLogOpenError, type AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { LOG_RECORD_VERSION, type RequestLogHandle } from '../pool/hand-over.js';
import type { Pid } from '../units.js';
import { RequestLog } from '../watch/request-log.js';

/** The access log of a generation that the program before an upgrade has left, until its last worker has ended. */
export class ForeignRequestLog {
  readonly #handle: RequestLogHandle;
  readonly #zygotePid: Pid;
  readonly #accessLogs: AccessLogs;
  readonly #file: AccessLogFile | undefined;
  readonly #log: RequestLog | undefined;

  constructor(
    handle: RequestLogHandle,
    zygotePid: Pid,
    { log, accessLogs }: { readonly log: MasterLog; readonly accessLogs: AccessLogs },
  ) {
    this.#handle = handle;
    this.#zygotePid = zygotePid;
    this.#accessLogs = accessLogs;
    if (handle.recordVersion !== LOG_RECORD_VERSION) return;
    try {
      const { pool, format, suppressPaths, scoreboardFd, slotCount } = handle;
      this.#file = accessLogs.acquire(handle.path);
      this.#log = new RequestLog({
        pool,
        scoreboard: { fd: scoreboardFd, slotCount },
        format: compileAccessFormat({ format, pool, suppressPaths }),
        file: this.#file,
        log,
        askToBeTold: () => {},
      });
    } catch (error) {
      if (!(error instanceof AccessLogOpenError)) throw error;
      log.error(error.message);
      return;
    }
    for (const { slot, pid } of handle.workers) this.#log.takeOver(slot, { pid, zygotePid });
    // The master that this generation tells of its requests has gone: the rings have to be polled.
    this.#log.onOrphaned();
  }

  workerStarted(slot: number, pid: Pid): void {
    this.#log?.takeOver(slot, { pid, zygotePid: this.#zygotePid });
    this.#log?.onOrphaned();
  }

  workerEnded(slot: number): void {
    this.#log?.close(slot);
  }

  /** No process of the generation is left. */
  end(): void {
    this.#log?.flush();
    this.#log?.end();
    if (this.#file !== undefined) this.#accessLogs.release(this.#file);
    closeSync(this.#handle.scoreboardFd);
  }
}
