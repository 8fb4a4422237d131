import type { GlobalConfig } from '../config/config.js';
import { asSystemError } from '../os/libc.js';
import { type LimitedResource, setPriority, setResourceLimit } from '../os/process.js';

/**
 * The master's own limits and priority, before any child exists.
 *
 * @throws Error with php-fpm's words
 */
export function applyMasterLimits(config: GlobalConfig, isRoot: boolean): void {
  if (config.rlimitFiles > 0) limit('openFiles', config.rlimitFiles, 'rlimit_files', 'RLIMIT_NOFILE');
  if (config.rlimitCore === 'unlimited')
    limit('core', Number.POSITIVE_INFINITY, 'rlimit_core', 'RLIMIT_CORE');
  else if (config.rlimitCore > 0) limit('core', config.rlimitCore, 'rlimit_core', 'RLIMIT_CORE');
  if (isRoot && config.processPriority !== undefined) priority(config.processPriority);
}

function limit(resource: LimitedResource, value: number, directive: string, name: string): void {
  try {
    setResourceLimit(resource, { soft: value, hard: value });
  } catch (error) {
    const printed = value === Number.POSITIVE_INFINITY ? -1 : value;
    throw new Error(
      `failed to set ${directive} for this pool. Please check your system limits or decrease ${directive}. ` +
        `setrlimit(${name}, ${printed})${asSystemError(error).suffix}`,
      { cause: error },
    );
  }
}

function priority(value: number): void {
  try {
    setPriority(0, value);
  } catch (error) {
    throw new Error(`Unable to set priority for the master process${asSystemError(error).suffix}`, {
      cause: error,
    });
  }
}
