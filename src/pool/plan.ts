import { isDeepStrictEqual } from 'node:util';
import type { Fd, Milliseconds } from '../units.js';
import type { PhpOptions } from '../zygote/php-arguments.js';
import type { WorkerPlan } from '../zygote/worker-settings.js';
import type { EmergencySettings } from './emergency.js';

/** How the configuration wants a pool: what a reload may change of it. */
export interface PoolPlan extends WorkerPlan {
  readonly listenFd: Fd;
  readonly php: PhpOptions;
  readonly emergency: EmergencySettings;
  /** `process_control_timeout`: how long workers that are replaced may take; 0 is no bound. */
  readonly drainBoundMs: Milliseconds;
}

/** Whether two plans make the same workers; what a pool adopts without a new generation is left out. */
export function isSameForWorkers(a: PoolPlan, b: PoolPlan): boolean {
  return isDeepStrictEqual(forWorkers(a), forWorkers(b));
}

function forWorkers({ config, account, listenFd, php, logLevel }: PoolPlan) {
  return { config, account, listenFd, php, logLevel };
}
