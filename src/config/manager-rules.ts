import type { UncheckedPool } from './config.js';
import { directive } from './directives.js';
import { type PoolContext, present, range, refuse } from './pool-rule.js';
import type { Problem } from './problem.js';
import { printValueOf } from './values.js';

/** A hard limit below the soft one would kill workers before they could end after their request. */
export function checkMemoryLimits(pool: UncheckedPool): Problem[] {
  const { pmMaxMemory: soft, pmMaxMemoryHard: hard } = pool;
  if (soft === 0 || hard === 0 || hard >= soft) return [];
  const text =
    `pm.max_memory_hard(${printValueOf('size', hard)}) must not be less than` +
    ` pm.max_memory(${printValueOf('size', soft)})`;
  return [refuse(pool, 'pm.max_memory_hard', text)];
}

/** `queue.timeout` and `queue.max`. */
export function checkQueueLimits(pool: UncheckedPool): Problem[] {
  const { queueTimeout, queueMax: most, listenBacklog: backlog } = pool;
  const problems = present(range(pool, 'queue.timeout', queueTimeout), range(pool, 'queue.max', most));
  if (most > 0 && backlog >= 0 && most >= backlog) {
    const text = `queue.max(${most}) is never reached: the system refuses clients beyond listen.backlog(${backlog})`;
    problems.push({ level: 'warning', message: `[pool ${pool.name}] ${text}` });
  }
  return problems;
}

/** Checks `pm` and the numbers that it needs; those of the other process managers are not checked. */
export function checkProcessManager(pool: UncheckedPool, context: PoolContext): Problem[] {
  const missing =
    pool.pm === undefined
      ? [refuse(pool, 'pm', 'the process manager is missing (static, dynamic or ondemand)', 'alert')]
      : [];
  const maxChildren = present(range(pool, 'pm.max_children', pool.pmMaxChildren ?? 0));
  switch (pool.pm) {
    case 'dynamic':
      return [...maxChildren, ...checkDynamic(pool)];
    case 'ondemand':
      return [...maxChildren, ...checkOndemand(pool, context)];
    default:
      return [...missing, ...maxChildren];
  }
}

function checkDynamic(pool: UncheckedPool): Problem[] {
  const { pmMinSpareServers: min, pmMaxSpareServers: max, pmMaxChildren: most = 0 } = pool;
  const problems = present(
    range(pool, 'pm.min_spare_servers', min),
    range(pool, 'pm.max_spare_servers', max),
    spareServersMistake(pool, min, max, most),
  );
  if (problems.length === 0) problems.push(...checkStartServers(pool));
  return [...problems, ...present(range(pool, 'pm.max_spawn_rate', pool.pmMaxSpawnRate))];
}

function spareServersMistake(
  pool: UncheckedPool,
  min: number,
  max: number,
  most: number,
): Problem | undefined {
  if (min <= 0 || max <= 0 || most <= 0) return undefined;
  const minimum = `pm.min_spare_servers(${min})`;
  const maximum = `pm.max_spare_servers(${max})`;
  if (min > most || max > most) {
    const text = `${minimum} and ${maximum} cannot be greater than pm.max_children(${most})`;
    return refuse(pool, 'pm.max_spare_servers', text, 'alert');
  }
  return max < min
    ? refuse(pool, 'pm.max_spare_servers', `${maximum} must not be less than ${minimum}`, 'alert')
    : undefined;
}

/** Called only if the numbers of spare servers are in order. */
function checkStartServers(pool: UncheckedPool): Problem[] {
  const { pmMinSpareServers: min, pmMaxSpareServers: max } = pool;
  if (pool.pmStartServers <= 0) {
    pool.pmStartServers = min + Math.trunc((max - min) / 2);
    const message = `[pool ${pool.name}] pm.start_servers is not set. It's been set to ${pool.pmStartServers}.`;
    return [{ level: 'notice', message }];
  }
  if (pool.pmStartServers >= min && pool.pmStartServers <= max) return [];
  const text =
    `pm.start_servers(${pool.pmStartServers}) must not be less than pm.min_spare_servers(${min})` +
    ` and not greater than pm.max_spare_servers(${max})`;
  return [refuse(pool, 'pm.start_servers', text, 'alert')];
}

function checkOndemand(pool: UncheckedPool, { eventsMechanism }: PoolContext): Problem[] {
  const problems: Problem[] = [];
  if (eventsMechanism !== 'epoll') {
    const text =
      'ondemand process manager can ONLY be used when events.mechanism is either epoll (Linux) or kqueue (*BSD).';
    problems.push(refuse(pool, 'pm', text, 'alert'));
  }
  problems.push(
    ...present(
      range(pool, 'pm.process_idle_timeout', pool.pmProcessIdleTimeout),
      range(pool, 'pm.zygote_idle_timeout', pool.pmZygoteIdleTimeout),
    ),
  );
  const lowest = directive('pool', 'listen.backlog').default as number;
  if (pool.listenBacklog < lowest) {
    const text =
      `listen.backlog(${pool.listenBacklog}) was too low for the ondemand process manager.` +
      ` I updated it for you to ${lowest}.`;
    problems.push({ level: 'warning', message: `[pool ${pool.name}] ${text}` });
    pool.listenBacklog = lowest;
  }
  return problems;
}
