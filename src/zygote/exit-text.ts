import { constants } from 'node:os';
import type { ExitStatus } from '../os/process.js';

// Where a number has two names the first counts: SIGABRT and not SIGIOT.
const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals)
    .map(([name, number]) => [number, name] as const)
    .reverse(),
);

/** php-fpm's words: `with code 1`, `on signal 11 (SIGSEGV - core dumped)`. */
export function exitText(status: ExitStatus | undefined): string {
  if (status === undefined) return 'with unknown status';
  if (status.kind === 'exited') return `with code ${status.code}`;
  const name = SIGNAL_NAMES.get(status.signal) ?? '';
  return `on signal ${status.signal} (${name}${status.isCoreDumped ? ' - core dumped' : ''})`;
}
