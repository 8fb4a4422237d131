import { formatTime } from '../log/line-format.js';
import type { Pid } from '../units.js';
import type { Backtrace, Place } from './backtrace.js';

/** One entry of a slow log; every text in it is safe to show. */
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
  /** undefined if it could not be read. */
  readonly backtrace: Backtrace | undefined;
}

const ADDRESS_DIGITS = 16;

/**
 * An entry in php-fpm's form. After `script_filename` come two lines that php-fpm does not have, in a form that
 * readers of its log skip: `request`, and `running` if PHP code itself is being executed.
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

/** A line `running`, and one for each function: `[0x00007f4753215620] usleep() /srv/app/slow.php:2`. */
export function backtraceLines({ running, frames }: Backtrace): string[] {
  return [
    ...(running === undefined ? [] : [`running = ${placeText(running)}`]),
    ...frames.map(
      ({ address, name, calledFrom }) =>
        `[0x${address.toString(16).padStart(ADDRESS_DIGITS, '0')}] ${name}() ${placeText(calledFrom)}`,
    ),
  ];
}

/** A backtrace in one line, for a log: `usleep() /srv/app/slow.php:2 < deep() /srv/app/slow.php:9`. */
export function backtraceText({ running, frames, isCut }: Backtrace): string {
  return [
    ...(running === undefined ? [] : [placeText(running)]),
    ...frames.map(({ name, calledFrom }) => `${name}() ${placeText(calledFrom)}`),
    ...(isCut ? ['...'] : []),
  ].join(' < ');
}

/** A place, or php-fpm's words for an unknown one. */
function placeText(place: Place | undefined): string {
  return place === undefined ? 'unknown:0' : `${place.file}:${place.line}`;
}
