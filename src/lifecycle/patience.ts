import type { Milliseconds } from '../units.js';

/** Killed workers are gone in no time; a zygote that has not said so by then does not answer. */
export const ZYGOTE_PATIENCE_MS: Milliseconds = 2000;

/** And nothing is waited for after this: the kernel ends a killed process, or it hangs in a driver. Orphans take two seconds. */
export const LAST_PATIENCE_MS: Milliseconds = 5000;
