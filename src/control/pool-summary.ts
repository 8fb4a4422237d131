import type { PoolStatus } from '../status/status.js';
import type { Count, Pid } from '../units.js';
import type { ControlPoolStatus } from './target.js';

/** What a pool's status pages do not tell. */
export interface PoolFacts {
  readonly listen: string;
  readonly maxChildren: Count;
  readonly generation: Count;
  /** Workers of older generations that still finish a request. */
  readonly draining: Count;
  /** null: an idle ondemand pool has none. */
  readonly zygotePid: Pid | null;
  readonly trouble: string | undefined;
}

/** One pool for `tsfpm status`, from what its status pages show. */
export function poolSummary(status: PoolStatus, facts: PoolFacts): ControlPoolStatus {
  return {
    name: status.name,
    processManager: status.processManager,
    ...facts,
    idle: status.idle,
    active: status.active,
    listenQueue: status.listenQueue,
    requests: status.acceptedConn,
    slowRequests: status.slowRequests,
    refused: status.refused.timeout + status.refused.max,
    gone: status.gone,
    keptIdle: status.kept.idle,
    keptReady: status.kept.ready,
  };
}
