import type { UncheckedPool } from './config.js';
import { checkChdir, checkChroot, checkPrefix, resolvePhpPaths } from './directory-rules.js';
import type { PoolDraft } from './draft.js';
import { checkSlowlog, resolveLogs } from './log-rules.js';
import { checkMemoryLimits, checkProcessManager, checkQueueLimits } from './manager-rules.js';
import { checkPing, checkStatusListen, checkStatusPath } from './page-rules.js';
import { isSet, type PoolContext, type PoolRule, poolBase, present, range, refuse } from './pool-rule.js';
import { absolutePath, isUnixAddress } from './prefix.js';
import type { Problem } from './problem.js';
import { knownPriority } from './range.js';

/** In php-fpm's order: the first problem is the one that it would stop at. */
const RULES: readonly PoolRule[] = [
  checkPrefix,
  checkUser,
  checkListen,
  checkPriority,
  checkProcessManager,
  checkMemoryLimits,
  checkQueueLimits,
  checkStatusListen,
  checkStatusPath,
  checkPing,
  resolveLogs,
  checkSlowlog,
  checkChroot,
  checkChdir,
  resolvePhpPaths,
  checkOpcacheShare,
  checkOpcacheWarmup,
];

/** Checks a pool and completes it in place: derived values, absolute paths. */
export function checkPool(pool: UncheckedPool, draft: PoolDraft, context: PoolContext): Problem[] {
  return RULES.flatMap((rule) => rule(pool, context, draft));
}

function checkUser(pool: UncheckedPool, { isRoot, allowRoot }: PoolContext): Problem[] {
  return pool.user === undefined && isRoot && !allowRoot
    ? [refuse(pool, 'user', 'user has not been defined', 'alert')]
    : [];
}

function checkListen(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (!isSet(pool.listen)) return [refuse(pool, 'listen', 'no listen address have been defined!', 'alert')];
  if (isUnixAddress(pool.listen)) pool.listen = absolutePath(pool.listen, poolBase(pool, context));
  return [];
}

function checkPriority(pool: UncheckedPool): Problem[] {
  pool.processPriority = knownPriority(pool.processPriority);
  return present(range(pool, 'process.priority', pool.processPriority));
}

function checkOpcacheShare(pool: UncheckedPool): Problem[] {
  if (!isSet(pool.opcacheShare)) {
    pool.opcacheShare = undefined;
    return [];
  }
  return /^[\w.-]{1,64}$/.test(pool.opcacheShare)
    ? []
    : [
        refuse(
          pool,
          'opcache.share',
          `opcache.share '${pool.opcacheShare}' is no name: up to 64 letters, digits, dots, underscores and hyphens`,
        ),
      ];
}

function checkOpcacheWarmup(pool: UncheckedPool): Problem[] {
  return present(range(pool, 'opcache.warmup', pool.opcacheWarmup));
}
