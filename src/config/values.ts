import type { LogLevel } from '../log/levels.js';
import type { Bytes, Milliseconds, Seconds } from '../units.js';
import { toInteger } from './integer.js';

export type ProcessManager = 'static' | 'dynamic' | 'ondemand';
export type LogFormat = 'fpm' | 'json';
export type SapiName = 'fpm-fcgi' | 'cgi-fcgi';

/** Numbers of syslog(3), already shifted by the three bits of the severity. */
export const FACILITIES = {
  kern: 0,
  user: 8,
  mail: 16,
  daemon: 24,
  auth: 32,
  syslog: 40,
  lpr: 48,
  news: 56,
  uucp: 64,
  cron: 72,
  authpriv: 80,
  ftp: 88,
  local0: 128,
  local1: 136,
  local2: 144,
  local3: 152,
  local4: 160,
  local5: 168,
  local6: 176,
  local7: 184,
} as const;

export type Facility = keyof typeof FACILITIES;

/** The kinds of values of directives, and their types. */
export interface ValueTypes {
  string: string;
  /** 32 bits, signed. */
  integer: number;
  time: Seconds;
  size: Bytes;
  /** Fractions are allowed, down to a millisecond. */
  fineTime: Seconds;
  boolean: boolean;
  level: LogLevel;
  /** Octal digits, kept as text; see {@link octalMode}. */
  mode: string;
  /** Bytes; 0 leaves the limit as it is. */
  rlimitCore: number | 'unlimited';
  pm: ProcessManager;
  facility: Facility;
  logFormat: LogFormat;
  sapiName: SapiName;
}

export type ValueKind = keyof ValueTypes;

/** A parsed value, or why php-fpm refuses the text, in its words. */
export type Parsed<T> = { readonly value: T } | { readonly reason: string };

interface Codec<T> {
  readonly parse: (text: string) => Parsed<T>;
  /** The text of a value in a file. */
  readonly print: (value: T) => string;
  /** What `-tt` shows, if it is not the same. */
  readonly dump?: (value: T) => string;
}

const CODECS: { readonly [K in ValueKind]: Codec<ValueTypes[K]> } = {
  string: { parse: (text) => ({ value: text }), print: (value) => value },
  integer: { parse: parseInteger, print: String },
  time: { parse: parseTime, print: (value) => `${value}s` },
  size: { parse: parseSize, print: printSize },
  fineTime: { parse: parseFineTime, print: (value) => `${value}s` },
  boolean: { parse: parseBoolean, print: (value) => (value ? 'yes' : 'no') },
  level: { parse: parseLevel, print: (value) => value },
  mode: { parse: (text) => ({ value: text }), print: (value) => value },
  rlimitCore: {
    parse: parseRlimitCore,
    print: String,
    dump: (value) => (value === 'unlimited' ? '-1' : String(value)),
  },
  pm: {
    parse: oneOf(['static', 'dynamic', 'ondemand'], 'invalid process manager (static, dynamic or ondemand)'),
    print: (value) => value,
  },
  facility: {
    parse: oneOf(Object.keys(FACILITIES) as Facility[], 'invalid value'),
    print: (value) => value,
    dump: (value) => String(FACILITIES[value]),
  },
  logFormat: { parse: oneOf(['fpm', 'json'], "must be 'fpm' or 'json'"), print: (value) => value },
  sapiName: {
    parse: oneOf(['fpm-fcgi', 'cgi-fcgi'], "must be 'fpm-fcgi' or 'cgi-fcgi'"),
    print: (value) => value,
  },
};

/** Reads the text of a directive's value by php-fpm's rules, oddities included. */
export function parseValueOf<K extends ValueKind>(kind: K, text: string): Parsed<ValueTypes[K]> {
  return CODECS[kind].parse(text);
}

/** Prints a value as a file would hold it: what {@link parseValueOf} reads back. */
export function printValueOf<K extends ValueKind>(kind: K, value: ValueTypes[K]): string {
  return CODECS[kind].print(value);
}

/** Prints a value as `-tt` shows it: facilities and an unlimited core size are numbers there. */
export function dumpValueOf<K extends ValueKind>(kind: K, value: ValueTypes[K]): string {
  return (CODECS[kind].dump ?? CODECS[kind].print)(value);
}

/**
 * The permission bits of an octal mode.
 *
 * @returns 0 for a text that is no octal number; digits before other characters count, as in php-fpm
 */
export function octalMode(text: string): number {
  const digits = /^[ \t]*([0-7]+)/.exec(text)?.[1];
  return digits === undefined ? 0 : Number.parseInt(digits, 8);
}

function parseInteger(text: string): Parsed<number> {
  return /^-?[0-9]*$/.test(text)
    ? { value: toInteger(text) }
    : { reason: 'is not a valid number (greater or equal than zero)' };
}

const SECONDS_PER_UNIT: Readonly<Record<string, Seconds>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Only the last character is checked for a unit: `100ms` is 100 seconds and `abc5` is 0. */
function parseTime(text: string): Parsed<Seconds> {
  if (text === '') {
    return { reason: 'invalid time value' };
  }
  const last = text.slice(-1);
  if (/[0-9]/.test(last)) {
    return { value: toInteger(text) };
  }
  const factor = SECONDS_PER_UNIT[last];
  return factor === undefined
    ? { reason: 'unknown suffix used in time value' }
    : { value: Math.imul(toInteger(text), factor) };
}

/** Largest first. */
const BYTES_PER_UNIT: readonly (readonly [unit: string, bytes: Bytes])[] = [
  ['G', 1024 ** 3],
  ['M', 1024 ** 2],
  ['K', 1024],
];

/** php-fpm has no sizes. They are written as in php.ini; other than there, a mistake is refused. */
function parseSize(text: string): Parsed<Bytes> {
  const [, digits, unit = ''] = /^([0-9]{1,12})([KMG]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    return { reason: "is not a valid size (a number of bytes, or of K, M or G as in '256M')" };
  }
  const [, factor] = BYTES_PER_UNIT.find(([name]) => name === unit.toUpperCase()) ?? ['', 1];
  const value = Number(digits) * factor;
  return Number.isSafeInteger(value) ? { value } : { reason: 'is too large' };
}

/** In the largest unit that needs no fraction. */
function printSize(value: Bytes): string {
  const [unit, factor] = BYTES_PER_UNIT.find(([, bytes]) => value > 0 && value % bytes === 0) ?? ['', 1];
  return `${value / factor}${unit}`;
}

const FINE_TIME = /^([0-9]{1,9}(?:\.[0-9]+)?)(ms|[smhd])?$/;
const MILLISECONDS_PER_UNIT: Readonly<Record<string, Milliseconds>> = {
  ms: 1,
  ...Object.fromEntries(Object.entries(SECONDS_PER_UNIT).map(([unit, seconds]) => [unit, seconds * 1000])),
};

/** Reads `1500ms` and fractions such as `1.5s`; all other texts go to {@link parseTime}. */
function parseFineTime(text: string): Parsed<Seconds> {
  const [, number = '', unit = 's'] = FINE_TIME.exec(text) ?? [];
  if (number === '' || (unit !== 'ms' && !number.includes('.'))) return parseTime(text);
  const ms = Number(number) * (MILLISECONDS_PER_UNIT[unit] ?? 0);
  // A short time must not be rounded to 0, which means off.
  return { value: Math.max(Math.round(ms), ms > 0 ? 1 : 0) / 1000 };
}

const TRUE_WORDS: readonly string[] = ['1', 'yes', 'true', 'on'];
const FALSE_WORDS: readonly string[] = ['', '0', 'no', 'none', 'false', 'off'];

function parseBoolean(text: string): Parsed<boolean> {
  if (TRUE_WORDS.includes(text)) {
    return { value: true };
  }
  return FALSE_WORDS.includes(text) ? { value: false } : { reason: 'invalid boolean value' };
}

const LEVEL_WORDS: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  notice: 'notice',
  warning: 'warning',
  warn: 'warning',
  error: 'error',
  alert: 'alert',
};

function parseLevel(text: string): Parsed<LogLevel> {
  const word = text.toLowerCase();
  const value = Object.hasOwn(LEVEL_WORDS, word) ? LEVEL_WORDS[word] : undefined;
  return value === undefined ? { reason: "invalid value for 'log_level'" } : { value };
}

function parseRlimitCore(text: string): Parsed<number | 'unlimited'> {
  if (text.toLowerCase() === 'unlimited') {
    return { value: 'unlimited' };
  }
  const parsed = parseInteger(text);
  return 'value' in parsed && parsed.value < 0
    ? { reason: "must be greater than zero or 'unlimited'" }
    : parsed;
}

function oneOf<T extends string>(words: readonly T[], reason: string): (text: string) => Parsed<T> {
  return (text) => {
    const value = words.find((word) => word === text.toLowerCase());
    return value === undefined ? { reason } : { value };
  };
}
