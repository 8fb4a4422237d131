import type { UncheckedPool } from './config.js';
import { isSet, type PoolContext, refuse } from './pool-rule.js';
import { absolutePath, isUnixAddress } from './prefix.js';
import { fatal, type Problem } from './problem.js';

/** What `pm.status_listen` changes in the rules; the server for it is made with the pool. */
export function checkStatusListen(pool: UncheckedPool, { bases }: PoolContext): Problem[] {
  if (pool.pmStatusListen === undefined) return [];
  pool.pmStatusPath ??= '/';
  if (pool.pmStatusListen === '') {
    const hidden = `${pool.name}_status`;
    const message = `[pool ${hidden}] no listen address have been defined!`;
    return [fatal(message, { section: pool.name, directive: 'pm.status_listen', value: '' }, 'alert')];
  }
  if (isUnixAddress(pool.pmStatusListen))
    pool.pmStatusListen = absolutePath(pool.pmStatusListen, bases.programs);
  return [];
}

/** The status page may be at `/` if it has an address of its own. */
export function checkStatusPath(pool: UncheckedPool): Problem[] {
  const shortest = pool.pmStatusListen === undefined ? 2 : 1;
  return checkPagePath(pool, 'pm.status_path', 'status', pool.pmStatusPath, shortest);
}

/** `ping.response` is ignored without `ping.path`. */
export function checkPing(pool: UncheckedPool): Problem[] {
  if (!isSet(pool.pingPath)) {
    pool.pingResponse = undefined;
    return [];
  }
  const problems = checkPagePath(pool, 'ping.path', 'ping', pool.pingPath, 2);
  pool.pingResponse ??= 'pong';
  if (pool.pingResponse === '')
    problems.push(refuse(pool, 'ping.response', `the ping response page '' is not long enough`));
  return problems;
}

function checkPagePath(
  pool: UncheckedPool,
  name: string,
  page: string,
  path: string | undefined,
  shortest: number,
): Problem[] {
  if (!isSet(path)) return [];
  const subject = `the ${page} path '${path}'`;
  if (!path.startsWith('/')) {
    return [refuse(pool, name, `${subject} must start with a '/'`)];
  }
  if (path.length < shortest) {
    return [refuse(pool, name, `${subject} is not long enough`)];
  }
  return /^[A-Za-z0-9/_\-.~]*$/.test(path)
    ? []
    : [refuse(pool, name, `${subject} must contain only the following characters '[alphanum]/_-.~'`)];
}
