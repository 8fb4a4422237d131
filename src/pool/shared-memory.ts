import { accessFormatOf } from '../accesslog/pool-format.js';
import type { PoolConfig } from '../config/config.js';
import type { AccessLogs } from '../log/access-logs.js';
import type { MasterLog } from '../log/master-log.js';
import { Scoreboard } from '../scoreboard/scoreboard.js';
import { LOG_RING_SIZE, RequestLog } from '../watch/request-log.js';

/** What a generation's workers write and the master reads. */
export interface SharedMemory {
  readonly scoreboard: Scoreboard;
  /** undefined without an access log. */
  readonly requestLog: RequestLog | undefined;
  /** After the last worker: what is left of the access log is written, and the memory given back. */
  close(): void;
}

/**
 * @param askToBeTold asks the zygote to report the next request that ends
 * @throws SystemError when there is no memory or descriptor for the scoreboard
 * @throws AccessLogOpenError
 */
export function openSharedMemory(
  pool: PoolConfig,
  { log, accessLogs }: { readonly log: MasterLog; readonly accessLogs: AccessLogs },
  askToBeTold: () => void,
): SharedMemory {
  const name = `tsfpm ${pool.name}`;
  const format = accessFormatOf(pool);
  if (format === undefined || !pool.accessLog) {
    const scoreboard = new Scoreboard(name, pool.pmMaxChildren, 0);
    return { scoreboard, requestLog: undefined, close: () => scoreboard.close() };
  }
  const file = accessLogs.acquire(pool.accessLog);
  try {
    const scoreboard = new Scoreboard(name, pool.pmMaxChildren, LOG_RING_SIZE);
    const requestLog = new RequestLog({ pool: pool.name, scoreboard, format, file, log, askToBeTold });
    const close = () => {
      requestLog.end();
      accessLogs.release(file);
      scoreboard.close();
    };
    return { scoreboard, requestLog, close };
  } catch (error) {
    accessLogs.release(file);
    throw error;
  }
}
