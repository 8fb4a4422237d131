import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release } from 'node:os';
import { PHP_CGI } from './site.js';

/** What the numbers were taken on, in one line; `PHP ?` where there is no php-cgi. */
export function describeMachine(now: Date): string {
  return [
    cpus()[0]?.model.trim() ?? 'unknown CPU',
    `${availableParallelism()} cores`,
    `Linux ${release()}`,
    `PHP ${phpVersion()}`,
    `Node ${process.versions.node}`,
    now.toISOString().slice(0, 10),
  ].join(', ');
}

function phpVersion(): string {
  try {
    return /^PHP (\S+)/.exec(execFileSync(PHP_CGI, ['-v'], { encoding: 'utf8', env: {} }))?.[1] ?? '?';
  } catch {
    return '?'; // no php-cgi: the report says so in its list of subjects
  }
}
