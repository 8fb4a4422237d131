import type { LogLevel } from '../log/levels.js';
import { accessFormatMistake } from './access-format-check.js';
import type { KeyValue, UncheckedPool } from './config.js';
import { directive } from './directives.js';
import type { PoolDraft } from './draft.js';
import { absolutePath, type Bases, expandPrefix, isUnixAddress } from './prefix.js';
import { fatal, type Problem } from './problem.js';
import { knownPriority, rangeProblem } from './range.js';

/** What the rules of one pool need to know besides the pool. */
export interface PoolContext {
  readonly bases: Bases;
  readonly isRoot: boolean;
  readonly allowRoot: boolean;
  readonly isDirectory: (path: string) => boolean;
  /** As checked in the global section. */
  readonly eventsMechanism: string;
}

type Check = (pool: UncheckedPool, context: PoolContext, draft: PoolDraft) => Problem[];

/** In php-fpm's order: the first problem is the one that it would stop at. */
const CHECKS: readonly Check[] = [
  checkPrefix,
  checkUser,
  checkListen,
  checkPriority,
  checkProcessManager,
  checkStatusListen,
  checkStatusPath,
  checkPing,
  resolveLogs,
  checkSlowlog,
  checkChroot,
  checkChdir,
  resolvePhpPaths,
];

/** Checks a pool and completes it in place: derived values, absolute paths. */
export function checkPool(pool: UncheckedPool, draft: PoolDraft, context: PoolContext): Problem[] {
  return CHECKS.flatMap((check) => check(pool, context, draft));
}

/** Comes after all pools were checked, as in php-fpm. */
export function checkAccessFormat(pool: UncheckedPool): Problem[] {
  if (!isSet(pool.accessLog)) {
    return [];
  }
  pool.accessFormat ??= '%R - %u %t "%m %r" %s';
  const mistake = accessFormatMistake(pool.accessFormat);
  if (mistake === undefined) {
    return [];
  }
  return [
    { level: 'warning', message: mistake },
    refuse(pool, 'access.format', `wrong format for access.format '${pool.accessFormat}'`),
  ];
}

function checkPrefix(pool: UncheckedPool, { bases, isDirectory }: PoolContext): Problem[] {
  if (!isSet(pool.prefix)) {
    return [];
  }
  pool.prefix = absolutePath(pool.prefix, bases.programs);
  return isDirectory(pool.prefix)
    ? []
    : [refuse(pool, 'prefix', `the prefix '${pool.prefix}' does not exist or is not a directory`)];
}

function checkUser(pool: UncheckedPool, { isRoot, allowRoot }: PoolContext): Problem[] {
  return pool.user === undefined && isRoot && !allowRoot
    ? [refuse(pool, 'user', 'user has not been defined', 'alert')]
    : [];
}

function checkListen(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (!isSet(pool.listen)) {
    return [refuse(pool, 'listen', 'no listen address have been defined!', 'alert')];
  }
  if (isUnixAddress(pool.listen)) {
    pool.listen = absolutePath(pool.listen, poolBase(pool, context));
  }
  return [];
}

function checkPriority(pool: UncheckedPool): Problem[] {
  pool.processPriority = knownPriority(pool.processPriority);
  return present(range(pool, 'process.priority', pool.processPriority));
}

function checkProcessManager(pool: UncheckedPool, context: PoolContext): Problem[] {
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
  if (problems.length === 0) {
    problems.push(...checkStartServers(pool));
  }
  return [...problems, ...present(range(pool, 'pm.max_spawn_rate', pool.pmMaxSpawnRate))];
}

function spareServersMistake(
  pool: UncheckedPool,
  min: number,
  max: number,
  most: number,
): Problem | undefined {
  if (min <= 0 || max <= 0 || most <= 0) {
    return undefined;
  }
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

/** Only where the spare servers make sense. */
function checkStartServers(pool: UncheckedPool): Problem[] {
  const { pmMinSpareServers: min, pmMaxSpareServers: max } = pool;
  if (pool.pmStartServers <= 0) {
    pool.pmStartServers = min + Math.trunc((max - min) / 2);
    const message = `[pool ${pool.name}] pm.start_servers is not set. It's been set to ${pool.pmStartServers}.`;
    return [{ level: 'notice', message }];
  }
  if (pool.pmStartServers >= min && pool.pmStartServers <= max) {
    return [];
  }
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
  problems.push(...present(range(pool, 'pm.process_idle_timeout', pool.pmProcessIdleTimeout)));
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

/** The pool that will answer on `pm.status_listen` comes with status pages; here only what it changes. */
function checkStatusListen(pool: UncheckedPool, { bases }: PoolContext): Problem[] {
  if (pool.pmStatusListen === undefined) {
    return [];
  }
  pool.pmStatusPath ??= '/';
  if (pool.pmStatusListen === '') {
    const hidden = `${pool.name}_status`;
    const message = `[pool ${hidden}] no listen address have been defined!`;
    return [fatal(message, { section: pool.name, directive: 'pm.status_listen', value: '' }, 'alert')];
  }
  if (isUnixAddress(pool.pmStatusListen)) {
    pool.pmStatusListen = absolutePath(pool.pmStatusListen, bases.programs);
  }
  return [];
}

function checkStatusPath(pool: UncheckedPool): Problem[] {
  const shortest = pool.pmStatusListen === undefined ? 2 : 1;
  return checkPagePath(pool, 'pm.status_path', 'status', pool.pmStatusPath, shortest);
}

function checkPing(pool: UncheckedPool): Problem[] {
  if (!isSet(pool.pingPath)) {
    pool.pingResponse = undefined;
    return [];
  }
  const problems = checkPagePath(pool, 'ping.path', 'ping', pool.pingPath, 2);
  pool.pingResponse ??= 'pong';
  if (pool.pingResponse === '') {
    problems.push(refuse(pool, 'ping.response', `the ping response page '' is not long enough`));
  }
  return problems;
}

function checkPagePath(
  pool: UncheckedPool,
  name: string,
  page: string,
  path: string | undefined,
  shortest: number,
): Problem[] {
  if (!isSet(path)) {
    return [];
  }
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

function resolveLogs(pool: UncheckedPool, context: PoolContext): Problem[] {
  const base = poolBase(pool, context);
  pool.accessLog = whereSet(pool.accessLog, (path) => absolutePath(path, base));
  pool.slowlog = whereSet(pool.slowlog, (path) => absolutePath(path, base));
  pool.phpIni = whereSet(pool.phpIni, (path) => absolutePath(path, base));
  return [];
}

function checkSlowlog(pool: UncheckedPool, _context: PoolContext, draft: PoolDraft): Problem[] {
  const problems: Problem[] = [];
  const { requestSlowlogTimeout: slow, requestTerminateTimeout: terminate } = pool;
  if (slow !== 0) {
    problems.push(...slowlogMissing(pool, 'request_slowlog_timeout'));
    if (terminate !== 0 && slow > terminate) {
      const text = `'request_slowlog_timeout' (${slow}) can't be greater than 'request_terminate_timeout' (${terminate})`;
      problems.push(refuse(pool, 'request_slowlog_timeout', text));
    }
  }
  // php-fpm takes 0 for "not set", which is also why the range of the row starts at 1.
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

function checkChroot(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (!isSet(pool.chroot)) {
    return [];
  }
  const expanded = expandPrefix(pool.chroot, poolBase(pool, context));
  if (expanded === undefined) {
    const place = { section: pool.name, directive: 'chroot', value: pool.chroot };
    return [
      fatal("'$prefix' must be use at the beginning of the value", place),
      refuse(pool, 'chroot', `the chroot path '${pool.chroot}' must start with a '/'`),
    ];
  }
  pool.chroot = expanded;
  if (!expanded.startsWith('/')) {
    return [refuse(pool, 'chroot', `the chroot path '${expanded}' must start with a '/'`)];
  }
  return context.isDirectory(expanded)
    ? []
    : [refuse(pool, 'chroot', `the chroot path '${expanded}' does not exist or is not a directory`)];
}

function checkChdir(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (!isSet(pool.chdir)) {
    return [];
  }
  pool.chdir = absolutePath(pool.chdir, poolBase(pool, context));
  if (!pool.chdir.startsWith('/')) {
    return [refuse(pool, 'chdir', `the chdir path '${pool.chdir}' must start with a '/'`)];
  }
  if (!isSet(pool.chroot)) {
    return context.isDirectory(pool.chdir)
      ? []
      : [refuse(pool, 'chdir', `the chdir path '${pool.chdir}' does not exist or is not a directory`)];
  }
  const within = `${pool.chroot}/${pool.chdir}`;
  if (context.isDirectory(within)) {
    return [];
  }
  const text = `the chdir path '${pool.chdir}' within the chroot path '${pool.chroot}' ('${within}')`;
  return [refuse(pool, 'chdir', `${text} does not exist or is not a directory`)];
}

/** Settings of PHP whose values php-fpm takes for paths. */
const PATH_SETTINGS: ReadonlySet<string> = new Set([
  'error_log',
  'extension_dir',
  'mime_magic.magicfile',
  'sendmail_path',
  'session.cookie_path',
  'session_pgsql.sem_file_name',
  'soap.wsdl_cache_dir',
  'uploadprogress.file.filename_template',
  'xdebug.output_dir',
  'xdebug.profiler_output_dir',
  'xdebug.trace_output_dir',
  'xmms.path',
  'axis2.client_home',
  'blenc.key_file',
  'coin_acceptor.device',
]);

function resolvePhpPaths(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (isSet(pool.chroot)) {
    return [];
  }
  const base = poolBase(pool, context);
  const resolve = (entry: KeyValue): KeyValue =>
    PATH_SETTINGS.has(entry.key.toLowerCase()) && entry.value !== ''
      ? { ...entry, value: absolutePath(entry.value, base) }
      : entry;
  pool.phpValue = pool.phpValue.map(resolve);
  pool.phpAdminValue = pool.phpAdminValue.map((entry) => (isSyslog(entry) ? entry : resolve(entry)));
  return [];
}

function isSyslog({ key, value }: KeyValue): boolean {
  return key.toLowerCase() === 'error_log' && value.toLowerCase() === 'syslog';
}

function poolBase(pool: UncheckedPool, { bases }: PoolContext): string {
  return isSet(pool.prefix) ? pool.prefix : bases.programs;
}

/** php-fpm takes an empty path for none. */
function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

function whereSet(text: string | undefined, change: (text: string) => string): string | undefined {
  return isSet(text) ? change(text) : text;
}

function range(pool: UncheckedPool, name: string, value: number | undefined): Problem | undefined {
  return rangeProblem(directive('pool', name), value, pool.name);
}

function present(...problems: readonly (Problem | undefined)[]): Problem[] {
  return problems.filter((problem) => problem !== undefined);
}

function refuse(pool: UncheckedPool, name: string, text: string, level: LogLevel = 'error'): Problem {
  return fatal(`[pool ${pool.name}] ${text}`, { section: pool.name, directive: name }, level);
}
