import { closeSync, existsSync, openSync } from 'node:fs';
import { peekGlobal } from '../config/load.js';
import { absolutePath, basesFor, defaultConfigFile } from '../config/prefix.js';
import { controlPath } from '../control/path.js';
import { asSystemError } from '../os/libc.js';
import type { ControlOptions } from './options.js';

type Where = Pick<ControlOptions, 'socket' | 'configFile' | 'prefix' | 'pidFile'>;

/**
 * Path of the master's control socket: the one given, else the one in the configuration, else the one beside the pid
 * file. If only a pid file is given, no configuration is read. A configuration with errors is read all the same, for
 * the sake of the path.
 *
 * @returns undefined if no path is known
 */
export function findControlSocket({ socket, configFile, prefix, pidFile }: Where): string | undefined {
  if (socket !== undefined) return socket;
  const base = basesFor(prefix).state;
  const absolute = (path: unknown) =>
    typeof path === 'string' && path !== '' ? absolutePath(path, base) : undefined;
  if (pidFile && !configFile) return controlPath(undefined, absolute(pidFile));
  const file = configFile || defaultConfigFile(prefix, existsSync);
  const settings = peekGlobal({ file, prefix, environment: process.env, allowRoot: true, isRoot: true });
  return controlPath(
    absolute(settings.get('control.listen')),
    absolute(settings.get('pid')) ?? absolute(pidFile),
  );
}

/** Why {@link findControlSocket} knows no path: one sentence for the administrator. */
export function whyNoControlSocket({ configFile, prefix }: Where): string {
  const file = configFile || defaultConfigFile(prefix, existsSync);
  try {
    closeSync(openSync(file, 'r'));
  } catch (error) {
    return `failed to open configuration file '${file}'${asSystemError(error).suffix}`;
  }
  return 'the configuration names neither control.listen nor pid; say where: --control PATH or --pid FILE';
}
