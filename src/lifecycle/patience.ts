import type { Milliseconds } from '../units.js';

/** Killed workers are gone in no time; a zygote that has not said so by then does not answer. */
export const ZYGOTE_PATIENCE_MS: Milliseconds = 2000;
