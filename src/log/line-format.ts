import { escapedControls } from '../text/harmless.js';
import { SHORT_MONTHS } from '../text/months.js';
import type { Bytes, Pid } from '../units.js';
import type { LogLevel } from './levels.js';

/** The place in the program that a debug line names. */
export interface CallPlace {
  readonly functionName: string;
  readonly line: number;
}

/** What a line tells besides with log_level = debug: where it came from. */
export interface DebugDetail {
  readonly pid: Pid;
  readonly place: CallPlace;
}

/** All that one line of php-fpm's format shows. */
export interface FpmLine {
  /** Microseconds since 1970. */
  readonly timeUs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly debug?: DebugDetail | undefined;
}

/** The master's own lines are written whole up to this length, whatever log_limit says. */
const WHOLE_LINE_BYTES = 2047;
const ELLIPSIS = '...';
const NEWLINE = '\n';

/**
 * `[22-Nov-2026 18:46:13] NOTICE: message` in local time; with `debug` also microseconds and
 * `pid 7, bindHost(), line 12: ` before the message.
 *
 * @param limit log_limit, the newline included
 * @returns the line with its newline
 */
export function formatFpmLine(line: FpmLine, limit: Bytes): Buffer {
  return cutLine(`${formatLineStart(line)}${oneLine(line.message)}`, limit);
}

/** All of a line that comes before its message: `[22-Nov-2026 18:46:13] NOTICE: `. */
export function formatLineStart({ timeUs, level, debug }: Omit<FpmLine, 'message'>): string {
  const origin = debug === undefined ? '' : `pid ${debug.pid}, ${formatPlace(debug.place)}`;
  return `[${formatTime(timeUs, debug !== undefined)}] ${levelWord(level)}: ${origin}`;
}

/** `[NOTICE] message`: syslog adds the time and the pid. */
export function formatSyslogText(line: FpmLine): string {
  const origin = line.debug === undefined ? '' : formatPlace(line.debug.place);
  return `[${levelWord(line.level)}] ${origin}${line.message}`;
}

/**
 * What syslog gets for a text: one message for each of its lines, control bytes as `\x1b`, as php.ini's
 * `syslog.filter = no-ctrl` has it.
 */
export function syslogMessages(text: string): string[] {
  return text
    .split(NEWLINE)
    .filter((line) => line !== '')
    .map(escapedControls);
}

function formatPlace({ functionName, line }: CallPlace): string {
  return `${functionName}(), line ${line}: `;
}

function levelWord(level: LogLevel): string {
  return level.toUpperCase();
}

/** `22-Nov-2026 18:46:13`, or with microseconds. */
export function formatTime(timeUs: number, isFine: boolean): string {
  const date = new Date(Math.floor(timeUs / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${two(date.getDate())}-${SHORT_MONTHS[date.getMonth()]}-${date.getFullYear()}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return isFine ? `${day} ${time}.${String(Math.floor(timeUs % 1e6)).padStart(6, '0')}` : `${day} ${time}`;
}

/** A message may quote what others chose; it must not look like two lines of the log. */
function oneLine(message: string): string {
  return message.replaceAll(NEWLINE, '\\n').replaceAll('\r', '\\r');
}

/** php-fpm's rule: a line over 2047 bytes is cut to one less than log_limit or 2048, dots included. */
function cutLine(text: string, limit: Bytes): Buffer {
  const bytes = Buffer.from(text + NEWLINE);
  if (bytes.length - NEWLINE.length <= WHOLE_LINE_BYTES) return bytes;
  const room = Math.min(limit - 1, WHOLE_LINE_BYTES) - ELLIPSIS.length;
  return Buffer.concat([bytes.subarray(0, characterEnd(bytes, room)), Buffer.from(ELLIPSIS + NEWLINE)]);
}

/** The last end of a UTF-8 character at or before `end`. */
function characterEnd(bytes: Buffer, end: number): number {
  const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;
  let at = end;
  while (at > 0 && isContinuation(bytes[at])) at--;
  return at;
}
