import { setTimeout as sleep } from 'node:timers/promises';
import type { Milliseconds } from '../../src/units.js';

/** Far beyond what is needed: it only says when to stop hoping. */
export const PATIENCE_MS: Milliseconds = 15_000;
const LOOK_EVERY_MS: Milliseconds = 15;

/**
 * Waits until `look` finds something: any value but undefined, false, null, 0 or ''.
 *
 * @param what for the error: "the zygote is replaced"
 * @returns what it found
 * @throws Error after `patienceMs`
 */
export async function until<Found>(
  what: string,
  look: () => Found | Promise<Found>,
  patienceMs: Milliseconds = PATIENCE_MS,
): Promise<NonNullable<Exclude<Found, false>>> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found) return found as NonNullable<Exclude<Found, false>>;
    if (performance.now() > deadline) throw new Error(`still not true after ${patienceMs} ms: ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}

export { sleep };
