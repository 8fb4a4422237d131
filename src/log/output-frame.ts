import type { Bytes, Pid } from '../units.js';
import { LOG_LEVELS, type LogLevel } from './levels.js';
import { formatLineStart } from './line-format.js';

/** Which worker printed a text, and on which stream. */
export interface OutputSource {
  readonly pool: string;
  readonly pid: Pid;
  readonly stream: 'stdout' | 'stderr';
  /** `decorate_workers_output` */
  readonly isDecorated: boolean;
}

/** What is written before and after a text that a worker printed, and how much of the text a line holds. */
export interface OutputFrame {
  readonly head: string;
  readonly tail: string;
  readonly room: Bytes;
}

/** php-fpm's level for what workers say. */
export const OUTPUT_LEVEL: LogLevel = 'warning';
/** What php-fpm shows as the place of such a line, which no function of its own has written. */
const NO_PLACE = { functionName: '(null)', line: 0 };

/**
 * php-fpm's decoration: `[22-Nov-2026 18:46:13] WARNING: [pool www] child 7 said into stderr: "`. If log_level hides
 * warnings, the text stands alone (php-fpm then still writes the closing quote).
 *
 * @param limit log_limit: a line is shorter, its newline not counted
 */
export function outputFrame(
  source: OutputSource,
  { timeUs, threshold, limit }: { timeUs: number; threshold: LogLevel; limit: Bytes },
): OutputFrame {
  const isShown = LOG_LEVELS.indexOf(OUTPUT_LEVEL) >= LOG_LEVELS.indexOf(threshold);
  if (!source.isDecorated || !isShown) return { head: '', tail: '', room: limit - 1 };
  const debug = threshold === 'debug' ? { pid: process.pid, place: NO_PLACE } : undefined;
  const head = `${formatLineStart({ timeUs, level: OUTPUT_LEVEL, debug })}${said(source)}: "`;
  return { head, tail: '"', room: Math.max(1, limit - 1 - Buffer.byteLength(head) - 1) };
}

/** `[pool www] child 7 said into stderr` */
export function said({ pool, pid, stream }: OutputSource): string {
  return `[pool ${pool}] child ${pid} said into ${stream}`;
}
