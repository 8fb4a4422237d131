import type { Config } from '../config/config.js';
import type { PoolStatus } from '../status/status.js';
import type { IntervalSetting } from '../systemd/service.js';
import type { ServiceLoad } from '../systemd/status-text.js';

/** How often systemd is told how the service does. */
export function systemdInterval({ global, written }: Config): IntervalSetting {
  return { intervalS: global.systemdInterval, isSet: written.includes('systemd_interval') };
}

/** All pools together, for systemd's status line. */
export function serviceLoad(pools: readonly PoolStatus[]): ServiceLoad {
  const sum = (value: (pool: PoolStatus) => number) => pools.reduce((total, pool) => total + value(pool), 0);
  return {
    active: sum(({ active }) => active),
    idle: sum(({ idle }) => idle),
    requests: pools.reduce((total, { acceptedConn }) => total + acceptedConn, 0n),
    slow: pools.reduce((total, { slowRequests }) => total + slowRequests, 0n),
  };
}
