import type { ProcessManager } from '../config/values.js';
import type { RequestFields } from '../request/fields.js';
import type { Stage } from '../scoreboard/layout.js';
import type { Count, Seconds } from '../units.js';

/** A worker's stage in php-fpm's words. Clients know `Ending`, but php-fpm never sets it. */
export type WorkerState =
  | 'Idle'
  | 'Reading headers'
  | 'Getting request information'
  | 'Running'
  | 'Ending'
  | 'Finishing';

/**
 * php-fpm's word for each stage of the scoreboard; a worker on a kept-alive connection without a request is idle,
 * other than in php-fpm.
 */
export const STATE_OF_STAGE: Readonly<Record<Exclude<Stage, 'free'>, WorkerState>> = {
  starting: 'Idle',
  accepting: 'Idle',
  waiting: 'Idle',
  'reading headers': 'Reading headers',
  info: 'Getting request information',
  executing: 'Running',
  finished: 'Finishing',
};

/**
 * One worker at one moment. 64-bit words of the scoreboard are bigint, since a worker may write anything there;
 * numbers are what the master has counted itself.
 */
export interface WorkerStatus extends RequestFields {
  readonly pid: number;
  readonly state: WorkerState;
  /** Seconds since 1970. */
  readonly startEpochS: Seconds;
  readonly startSinceS: Seconds;
  /** Requests begun, the present one included. */
  readonly requests: bigint;
  /** Microseconds: duration of the last request if idle, otherwise of the present one so far. */
  readonly requestDurationUs: bigint;
  /** 100 is one core; 0 unless idle. */
  readonly lastRequestCpuPercent: number;
  /** Peak bytes; 0 unless idle. */
  readonly lastRequestMemory: bigint;
}

/** One pool at one moment: all that its pages show. */
export interface PoolStatus {
  readonly name: string;
  readonly processManager: ProcessManager;
  /** When counting began, in seconds since 1970. */
  readonly startEpochS: Seconds;
  readonly startSinceS: Seconds;
  /** Requests begun. */
  readonly acceptedConn: bigint;
  /** Connections that wait to be accepted now, the most that ever waited, and how many may wait. */
  readonly listenQueue: Count;
  readonly maxListenQueue: Count;
  readonly listenQueueLen: Count;
  readonly idle: Count;
  readonly active: Count;
  readonly total: Count;
  readonly maxActive: Count;
  readonly maxChildrenReached: Count;
  readonly slowRequests: bigint;
  /** Clients that got 503 from the listen queue, for `queue.timeout` and for `queue.max`. php-fpm has neither. */
  readonly refused: { readonly timeout: Count; readonly max: Count };
  /** Clients that had left the listen queue before they were served; counted where the pool limits its queue. */
  readonly gone: bigint;
  /** Kept connections that no worker holds; php-fpm has none. */
  readonly kept: {
    /** Between two requests. */
    readonly idle: Count;
    /** With a next request, which waits for a worker. */
    readonly ready: Count;
    /** Closed while they were idle, since there was no descriptor for another one; in all. */
    readonly closed: Count;
  };
  /** Bytes, the largest peak of any request; a field of php-fpm 8.4. */
  readonly memoryPeak: bigint;
  /** Workers alive, in the order of their slots. */
  readonly processes: readonly WorkerStatus[];
}
