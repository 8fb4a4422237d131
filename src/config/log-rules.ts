import { accessFormatMistake, DEFAULT_FORMAT } from '../accesslog/parse-format.js';
import type { UncheckedPool } from './config.js';
import { directive } from './directives.js';
import type { PoolDraft } from './draft.js';
import { isSet, type PoolContext, poolBase, present, range, refuse } from './pool-rule.js';
import { absolutePath } from './prefix.js';
import type { Problem } from './problem.js';

/** Makes the paths of the logs absolute; they are opened later, at the start. */
export function resolveLogs(pool: UncheckedPool, context: PoolContext): Problem[] {
  const base = poolBase(pool, context);
  pool.accessLog = whereSet(pool.accessLog, (path) => absolutePath(path, base));
  pool.slowlog = whereSet(pool.slowlog, (path) => absolutePath(path, base));
  pool.phpIni = whereSet(pool.phpIni, (path) => absolutePath(path, base));
  return [];
}

/** The rules for the slow log, if one of its directives is used. */
export function checkSlowlog(pool: UncheckedPool, _context: PoolContext, draft: PoolDraft): Problem[] {
  const problems: Problem[] = [];
  const { requestSlowlogTimeout: slow, requestTerminateTimeout: terminate } = pool;
  if (slow !== 0) {
    problems.push(...slowlogMissing(pool, 'request_slowlog_timeout'));
    if (terminate !== 0 && slow > terminate) {
      const text =
        `'request_slowlog_timeout' (${slow}) can't be greater than ` +
        `'request_terminate_timeout' (${terminate})`;
      problems.push(refuse(pool, 'request_slowlog_timeout', text));
    }
  }
  // In php-fpm 0 means "not set", so the range of the row starts at 1.
  const depth = draft.scalars.get('request_slowlog_trace_depth') ?? 0;
  if (depth === 0) {
    pool.requestSlowlogTraceDepth = directive('pool', 'request_slowlog_trace_depth').default as number;
    return problems;
  }
  const missing = slow === 0 ? slowlogMissing(pool, 'request_slowlog_trace_depth') : [];
  return [
    ...problems,
    ...missing,
    ...present(range(pool, 'request_slowlog_trace_depth', pool.requestSlowlogTraceDepth)),
  ];
}

function slowlogMissing(pool: UncheckedPool, usedBy: string): Problem[] {
  return isSet(pool.slowlog)
    ? []
    : [refuse(pool, 'slowlog', `'slowlog' must be specified for use with '${usedBy}'`)];
}

/** Comes after all pools were checked, as in php-fpm. */
export function checkAccessFormat(pool: UncheckedPool): Problem[] {
  if (!isSet(pool.accessLog)) return [];
  pool.accessFormat ??= DEFAULT_FORMAT;
  const mistake = accessFormatMistake(pool.accessFormat);
  if (mistake === undefined) return [];
  return [
    { level: 'warning', message: mistake },
    refuse(pool, 'access.format', `wrong format for access.format '${pool.accessFormat}'`),
  ];
}

function whereSet(text: string | undefined, change: (text: string) => string): string | undefined {
  return isSet(text) ? change(text) : text;
}
