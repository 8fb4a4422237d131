import type { Count } from '../../units.js';
import type { BusyReport, ScalingSettings } from './types.js';

// php-fpm's words: administrators search their logs for them.

/** Told as a warning when `pm.max_children` is reached; without the `pm.` for ondemand, as php-fpm has it. */
export function maxChildrenText(pool: string, pm: ScalingSettings['pm'], maxChildren: Count): string {
  const setting = pm === 'ondemand' ? 'max_children' : 'pm.max_children';
  return `[pool ${pool}] server reached ${setting} setting (${maxChildren}), consider raising it`;
}

/** Told as a warning when a dynamic pool forks many workers in short time. */
export function busyText(pool: string, { spawning, idle, total }: BusyReport): string {
  return (
    `[pool ${pool}] seems busy (you may need to increase pm.start_servers, or pm.min/max_spare_servers), ` +
    `spawning ${spawning} children, there are ${idle} idle, and ${total} total children`
  );
}
