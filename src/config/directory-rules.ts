import type { KeyValue, UncheckedPool } from './config.js';
import { isSet, type PoolContext, poolBase, refuse } from './pool-rule.js';
import { absolutePath, expandPrefix } from './prefix.js';
import { fatal, type Problem } from './problem.js';

/** The first rule of a pool, since its other paths start at its prefix. */
export function checkPrefix(pool: UncheckedPool, { bases, isDirectory }: PoolContext): Problem[] {
  if (!isSet(pool.prefix)) return [];
  pool.prefix = absolutePath(pool.prefix, bases.programs);
  return isDirectory(pool.prefix)
    ? []
    : [refuse(pool, 'prefix', `the prefix '${pool.prefix}' does not exist or is not a directory`)];
}

/** `chroot` is the only value in which `$prefix` is replaced. */
export function checkChroot(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (!isSet(pool.chroot)) return [];
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

/** `chdir`: a directory inside the chroot, if there is one. */
export function checkChdir(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (!isSet(pool.chdir)) return [];
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
  if (context.isDirectory(within)) return [];
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

/** In a chroot the paths of PHP settings are left as they are: PHP resolves them inside it. */
export function resolvePhpPaths(pool: UncheckedPool, context: PoolContext): Problem[] {
  if (isSet(pool.chroot)) return [];
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
