import type { PoolConfig } from '../config/config.js';
import { CONTROL_VERSION, ENV_MARK, ENV_SAPI_NAME } from './control-frames.js';
import { LIBRARY_PATH } from './php-arguments.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Set by bin/tsfpm: the soft limit of descriptors that tsfpm was started with, which Node has raised since. It stays in
 * the master's own environment, for the program that follows an upgrade; workers and zygotes do not see it.
 */
export const SOFT_FILES_VARIABLE = 'TSFPM_SOFT_FILES';

/** With one of these in its environment php-cgi acts as a CGI program and runs a script. */
const CGI_VARIABLES =
  /^(?:AUTH_TYPE|CONTENT_(?:LENGTH|TYPE)|DOCUMENT_(?:ROOT|URI)|GATEWAY_INTERFACE|HTTP_.*|HTTPS|ORIG_.*|PATH_(?:INFO|TRANSLATED)|QUERY_STRING|REDIRECT_.*|REMOTE_.*|REQUEST_.*|SCRIPT_(?:FILENAME|NAME|URI|URL)|SERVER_.*|FCGI_.*|PHP_FCGI_.*)$/;

/** `environment` without what a php-cgi that is not serving must not see. PHPRC and PHP_INI_SCAN_DIR stay. */
export function withoutCgiVariables(environment: Environment): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment))
    if (value !== undefined && !CGI_VARIABLES.test(name) && name !== SOFT_FILES_VARIABLE) kept[name] = value;
  return kept;
}

/** The zygote's environment: the master's, which PHP's extensions may read, and what makes php-cgi a zygote. */
export function zygoteEnvironment(pool: PoolConfig, master: Environment): Record<string, string> {
  const environment = withoutCgiVariables(master);
  environment.LD_PRELOAD =
    environment.LD_PRELOAD === undefined ? LIBRARY_PATH : `${LIBRARY_PATH}:${environment.LD_PRELOAD}`;
  environment[ENV_MARK] = String(CONTROL_VERSION);
  environment[ENV_SAPI_NAME] = pool.phpSapiName;
  environment.PHP_FCGI_CHILDREN = String(pool.pmMaxChildren);
  environment.PHP_FCGI_MAX_REQUESTS = String(Math.max(0, pool.pmMaxRequests));
  return environment;
}

/** The account of the workers, for USER and HOME. */
export interface HomeAccount {
  readonly name: string;
  readonly home: string;
}

/**
 * The whole environment of a pool's workers, as NAME=value, env[] in the file's order.
 *
 * @param account undefined where the pool's user is a number: php-fpm then sets neither USER nor HOME
 */
export function workerEnvironment(
  pool: PoolConfig,
  master: Environment,
  account: HomeAccount | undefined,
): string[] {
  const variables = new Map<string, string>();
  if (!pool.clearEnv)
    for (const [name, value] of Object.entries(master))
      if (value !== undefined && name !== SOFT_FILES_VARIABLE) variables.set(name, value);
  const own = new Set<string>();
  for (const { key, value } of pool.env) {
    if (own.has(key)) continue; // as under php-fpm the first one stays
    variables.set(key, value.startsWith('$') ? (master[value.slice(1)] ?? '') : value);
    own.add(key);
  }
  if (account !== undefined) {
    if (!own.has('USER')) variables.set('USER', account.name);
    if (!own.has('HOME')) variables.set('HOME', account.home);
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}
