import type { InheritedSocket } from '../listen/inherited.js';
import type { Logger } from '../log/levels.js';
import type { ReloadReport } from '../reload/report.js';
import type { Count } from '../units.js';

// php-fpm's lines about a reload, in its order: tools count reloads by them. php-fpm replaces its program, and two
// programs write them; here one does. A reload that has changed nothing writes none of them: a tool that waits for
// them must not take a refused reload for a new start.

/** Whether a pool has changed, been added or been removed. */
export function hasChangedPools({ renewed, added, removed, unchanged }: ReloadReport): boolean {
  return renewed.length + added.length + removed.length + unchanged.length > 0;
}

/**
 * The new file goes into force. For the log that was in use before it.
 *
 * @param command as the master was started, without the interpreter
 */
export function tellReloading(log: Logger, command: readonly string[]): void {
  const words = command.map((word) => `"${word}"`);
  log.notice(`reloading: execvp(${words[0]}, {${words.join(', ')}})`);
}

/**
 * New workers serve.
 *
 * @param sockets those of before, also the ones that are closed by now
 */
export function tellReloaded(log: Logger, sockets: readonly InheritedSocket[]): void {
  for (const { fd, key } of sockets) log.notice(`using inherited socket fd=${fd}, "${key}"`);
  log.notice(`fpm is running, pid ${process.pid}`);
  log.notice('ready to handle connections');
}

/** More pools than these are counted, not named: the line is for one screen. */
const MOST_NAMES: Count = 8;

/** For people: what became of each pool. */
export function reloadSummary(report: ReloadReport, problems: readonly string[]): string {
  const parts = [
    ['renewed', report.renewed],
    ['added', report.added],
    ['removed', report.removed],
    ['unchanged', report.unchanged],
  ] as const;
  const done = parts.flatMap(([what, pools]) => {
    if (pools.length === 0) return [];
    return pools.length > MOST_NAMES ? `${pools.length} ${what}` : `${what}: ${pools.join(', ')}`;
  });
  const text = `reloaded; pools ${done.length === 0 ? 'none' : done.join('; ')}`;
  return problems.length === 0 ? text : `${text}; not in force: ${firstOf(problems)}`;
}

function firstOf(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).join(', ');
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown;
}
