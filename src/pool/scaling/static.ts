import type { Count } from '../../units.js';

export interface StaticSnapshot {
  /** Workers alive and forks on their way. */
  readonly workers: Count;
  /** `pm.max_children` */
  readonly maxChildren: Count;
}

/** `pm = static`: how many workers to fork now. */
export function decideStatic({ workers, maxChildren }: StaticSnapshot): Count {
  return Math.max(0, maxChildren - workers);
}
