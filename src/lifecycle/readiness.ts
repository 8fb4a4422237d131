import type { Pool } from '../pool/pool.js';
import type { MasterState } from './transitions.js';

/** Whether every pool can serve, for load balancers and deploy scripts; a reload does not take that away. */
export function readinessOf(pools: readonly Pool[], state: MasterState): { ready: boolean; reason: string } {
  if (state !== 'running' && state !== 'reloading') return { ready: false, reason: state };
  const troubled = pools.filter((pool) => pool.trouble !== undefined);
  return troubled.length === 0
    ? { ready: true, reason: 'ready' }
    : {
        ready: false,
        reason: troubled.map(({ config, trouble }) => `pool ${config.name}: ${trouble}`).join('; '),
      };
}
