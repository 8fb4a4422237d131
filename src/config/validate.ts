import type { Config, UncheckedGlobal, UncheckedPool } from './config.js';
import { directive } from './directives.js';
import type { Draft, PoolDraft } from './draft.js';
import { checkHostNames } from './host-names.js';
import { checkAccessFormat } from './log-rules.js';
import { absolutePath, type Bases, basesFor } from './prefix.js';
import { fatal, isFatal, type Problem } from './problem.js';
import { knownPriority, rangeProblem } from './range.js';
import { globalSettings, poolSettings } from './settings.js';
import { checkPool } from './validate-pool.js';

/** What the rules need besides the files. */
export interface ValidationContext {
  /** Name of the main file, as given. */
  readonly file: string;
  /** `--prefix`, which is known to be a directory. */
  readonly prefix: string | undefined;
  readonly isRoot: boolean;
  /** `--allow-to-run-as-root` */
  readonly allowRoot: boolean;
  readonly isDirectory: (path: string) => boolean;
}

/** Event mechanisms of a php-fpm on Linux. */
const EVENT_MECHANISMS: readonly string[] = ['epoll', 'poll', 'select'];

/**
 * Applies defaults, prefixes and every rule that looks at more than one value, in php-fpm's order.
 * Goes on after a problem, so that all are found. A section with a refused line is not checked, since its other
 * problems may come from that line.
 *
 * @returns a frozen Config, unless a problem is fatal or a line was refused
 * @see docs/architecture.md#php-fpms-rules-that-are-kept
 */
export function validate(draft: Draft, context: ValidationContext): { config?: Config; problems: Problem[] } {
  const bases = basesFor(context.prefix);
  const global = globalSettings(draft.global);
  const problems = draft.global.refused ? [] : checkGlobal(global, bases);
  const refused = draft.global.refused || draft.pools.some((pool) => pool.refused);
  if (draft.pools.length === 0 && !refused)
    problems.push(fatal('No pool defined. at least one pool section must be specified in config file'));
  const pools = checkPools(draft.pools, global, bases, context, problems);
  if (refused || problems.some(isFatal)) {
    return { problems };
  }
  const config = { file: context.file, prefix: context.prefix, global, pools, written: [...draft.written] };
  // Without a fatal problem, every required setting is there.
  return { config: deepFreeze(config as Config), problems };
}

function checkGlobal(global: UncheckedGlobal, bases: Bases): Problem[] {
  global.processPriority = knownPriority(global.processPriority);
  const problems = [
    rangeProblem(directive('global', 'log_limit'), global.logLimit),
    rangeProblem(directive('global', 'process.max'), global.processMax),
    rangeProblem(directive('global', 'process.priority'), global.processPriority),
  ].filter((problem) => problem !== undefined);
  if (global.pid !== undefined) global.pid = absolutePath(global.pid, bases.state);
  if (global.controlListen) global.controlListen = absolutePath(global.controlListen, bases.state);
  if (global.errorLog.toLowerCase() !== 'syslog')
    global.errorLog = absolutePath(global.errorLog, bases.state);
  problems.push(...checkHostNames(global));
  const mechanism = EVENT_MECHANISMS.find((name) => name === global.eventsMechanism.toLowerCase());
  if (mechanism === undefined) {
    problems.push(fatal(`event mechanism '${global.eventsMechanism}' is not available on this system`));
  }
  global.eventsMechanism = mechanism ?? global.eventsMechanism;
  return problems;
}

function checkPools(
  drafts: readonly PoolDraft[],
  global: UncheckedGlobal,
  bases: Bases,
  context: ValidationContext,
  problems: Problem[],
): UncheckedPool[] {
  const sound = drafts.filter((draft) => !draft.refused);
  const pools = sound.map((draft) => {
    const pool = poolSettings(draft);
    problems.push(...checkPool(pool, draft, { ...context, bases, eventsMechanism: global.eventsMechanism }));
    return pool;
  });
  problems.push(...duplicateListens(pools), ...pools.flatMap(checkAccessFormat));
  return pools;
}

/** Addresses are compared as text: two spellings of one address are not noticed here. */
function duplicateListens(pools: readonly UncheckedPool[]): Problem[] {
  const first = new Map<string, string>();
  return pools.flatMap((pool) => {
    const { listen, name } = pool;
    if (listen === undefined || listen === '') return [];
    const other = first.get(listen);
    if (other === undefined) {
      first.set(listen, name);
      return [];
    }
    return fatal(
      `[pool ${name}] unable to set listen address as it's already used in another pool '${other}'`,
      {
        section: name,
        directive: 'listen',
        value: listen,
      },
    );
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
