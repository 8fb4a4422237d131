import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Milliseconds } from '../units.js';
import { type Environment, withoutCgiVariables } from './environment.js';
import { definedPhpCgi, type PhpOptions, phpOptionArguments, quoteIni } from './php-arguments.js';
import { findPhpCgi, PhpBinaryError } from './php-binary.js';

/** Prints one setting of php.ini; dist/src/zygote/ -> src/zygote/. */
const SCRIPT = fileURLToPath(new URL('../../../src/zygote/php-ini.php', import.meta.url));
const PATIENCE_MS: Milliseconds = 10_000;

/**
 * Settings of php.ini, for `${NAME}` in the configuration: there php-fpm looks before it looks at the environment.
 * php-cgi is asked, once for each name, and only if a file has such a name.
 *
 * @returns undefined for a name that php.ini does not set, or where there is no php-cgi to ask: the pools will tell
 */
export function phpIniLookup(
  php: PhpOptions,
  environment: Environment,
): (name: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  return (name) => {
    if (!known.has(name)) known.set(name, ask(name, php, environment));
    return known.get(name);
  };
}

function ask(name: string, php: PhpOptions, environment: Environment): string | undefined {
  try {
    const binary = findPhpCgi(definedPhpCgi(php), environment.PATH);
    const { status, stdout } = spawnSync(
      binary,
      [...phpOptionArguments(php), `-dtsfpm.ask=${quoteIni(name)}`, '-q', SCRIPT],
      {
        env: withoutCgiVariables(environment),
        stdio: ['ignore', 'pipe', 'ignore'],
        encoding: 'utf8',
        timeout: PATIENCE_MS,
        killSignal: 'SIGKILL',
      },
    );
    return status === 0 && stdout.startsWith('=') ? stdout.slice(1) : undefined;
  } catch (error) {
    if (error instanceof PhpBinaryError) return undefined;
    throw error;
  }
}
