import type { PoolConfig } from '../config/config.js';
import { ENV_TEMPLATE, type Setting } from './control-frames.js';
import { type Environment, zygoteEnvironment } from './environment.js';
import type { Execution } from './execution.js';
import { isLateSetting } from './late-settings.js';
import { type PhpOptions, phpArguments, phpValues, templateArguments } from './php-arguments.js';

/** How PHP is started for a pool, with a php-cgi of its own or from a template. */
export interface Startup {
  /** For this pool alone. */
  readonly own: Execution;
  /** For all pools of the same key. */
  readonly template: Execution;
  /** For the pools of one `opcache.share` among them; undefined: this one shares its opcache with none. */
  readonly shared: { readonly name: string; readonly execution: Execution } | undefined;
  /** What a fork of the template is told with its other settings, to be as one of its own. */
  readonly lateSettings: readonly Setting[];
  /** Pools with equal keys may be forked from one template. */
  readonly key: string;
}

export interface StartupParts {
  readonly config: PoolConfig;
  readonly php: PhpOptions;
  /** The master's own. */
  readonly environment: Environment;
  readonly binary: string;
  readonly libraryFd: number;
}

export function startupOf({ config, php, environment, binary, libraryFd }: StartupParts): Startup {
  const ownEnvironment = zygoteEnvironment(config, environment);
  const template = {
    binary,
    libraryFd,
    arguments: templateArguments(config, php),
    // What differs between pools is told later; php-cgi only has to see that it is to have children.
    environment: {
      ...ownEnvironment,
      PHP_FCGI_CHILDREN: '1',
      PHP_FCGI_MAX_REQUESTS: '0',
      [ENV_TEMPLATE]: '',
    },
  };
  const share = config.opcacheShare;
  return {
    own: { binary, libraryFd, arguments: phpArguments(config, php), environment: ownEnvironment },
    template,
    shared: share === undefined ? undefined : { name: share, execution: sharedExecution(template, share) },
    lateSettings: [
      { key: 'MAX_REQUESTS', value: Buffer.from(ownEnvironment.PHP_FCGI_MAX_REQUESTS ?? '0') },
      ...phpValues(config)
        .filter(({ key }) => isLateSetting(key, config))
        .map(({ key, value }): Setting => ({ key: 'VALUE', value: Buffer.from(`${key}\0${value}`) })),
    ],
    key: JSON.stringify([template.binary, template.arguments, template.environment]),
  };
}

function sharedExecution(template: Execution, share: string): Execution {
  return { ...template, environment: { ...template.environment, [ENV_TEMPLATE]: share } };
}
