import { formatTime } from '../log/line-format.js';
import type { Pid } from '../units.js';
import type { Backtrace, Place } from './backtrace.js';

/** One entry of a slow log; every text of it printable. */
export interface SlowlogEntry {
  /** Microseconds since 1970. */
  readonly timeUs: number;
  readonly pool: string;
  readonly pid: Pid;
  readonly script: string;
  /** `GET /a.php?x=1` */
  readonly request: string;
  /** `1.500000` */
  readonly seconds: string;
  /** undefined where none could be had. */
  readonly backtrace: Backtrace | undefined;
}

const ADDRESS_DIGITS = 16;

/**
 * php-fpm's form, and behind its `script_filename` two lines of ours of the same form, which its readers pass over:
 * `request`, and `running` where PHP code itself is being executed, which php-fpm does not show at all.
 */
export function formatEntry(entry: SlowlogEntry): string {
  const { timeUs, pool, pid, script, request, seconds, backtrace } = entry;
  return [
    '',
    `[${formatTime(timeUs, false)}]  [pool ${pool}] pid ${pid}`,
    `script_filename = ${script}`,
    `request = "${request}" ${seconds} sec`,
    ...(backtrace === undefined ? ['+++ dump failed'] : backtraceLines(backtrace)),
    '',
  ].join('\n');
}

/** `running`, and a line for each function: `[0x00007f4753215620] usleep() /srv/app/slow.php:2`. */
export function backtraceLines({ running, frames }: Backtrace): string[] {
  return [
    ...(running === undefined ? [] : [`running = ${placeText(running)}`]),
    ...frames.map(
      ({ address, name, calledFrom }) =>
        `[0x${address.toString(16).padStart(ADDRESS_DIGITS, '0')}] ${name}() ${placeText(calledFrom)}`,
    ),
  ];
}

/** All in one line, for a log: `usleep() /srv/app/slow.php:2 < deep() /srv/app/slow.php:9`. */
export function backtraceText({ running, frames, isCut }: Backtrace): string {
  return [
    ...(running === undefined ? [] : [placeText(running)]),
    ...frames.map(({ name, calledFrom }) => `${name}() ${placeText(calledFrom)}`),
    ...(isCut ? ['...'] : []),
  ].join(' < ');
}

/** php-fpm's words where there is none. */
function placeText(place: Place | undefined): string {
  return place === undefined ? 'unknown:0' : `${place.file}:${place.line}`;
}
