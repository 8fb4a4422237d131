import type { Count, Milliseconds } from '../../src/units.js';
import type { Daemon } from './daemon.js';
import type { Settings } from './daemon-folder.js';

/** Sleeps for the milliseconds in the query, without using the processor. */
export const SLEEP_PHP = `<?php usleep($_GET['ms'] * 1000); echo 'slept ', getmypid();`;

/** Two started, one to four spare. */
export const DYNAMIC: Settings = {
  pm: 'dynamic',
  'pm.max_children': 60,
  'pm.start_servers': 2,
  'pm.min_spare_servers': 1,
  'pm.max_spare_servers': 4,
};
export const ONDEMAND: Settings = { pm: 'ondemand', 'pm.max_children': 60 };

/** php-fpm's warning of a dynamic pool that grows fast. */
export const SEEMS_BUSY = /seems busy \(you may need to increase pm\.start_servers/;

/** Sends that many requests at once; every one must be answered. @returns the time of the last answer */
export async function burst(
  tsfpm: Daemon,
  { requests, ms, pool }: { readonly requests: Count; readonly ms: Milliseconds; readonly pool?: string },
): Promise<Milliseconds> {
  const from = performance.now();
  await Promise.all(Array.from({ length: requests }, () => sleepRequest(tsfpm, ms, pool)));
  return performance.now() - from;
}

/** One request that sleeps. @returns the text of its answer */
export function sleepRequest(tsfpm: Daemon, ms: Milliseconds, pool?: string): Promise<string> {
  return tsfpm.get('sleep.php', {
    params: { QUERY_STRING: `ms=${ms}` },
    ...(pool === undefined ? {} : { pool }),
  });
}
