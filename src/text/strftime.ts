import { MONTHS, SHORT_MONTHS } from './months.js';

// strftime(3) in the C locale and local time, with glibc's additions.

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const DAY_MS = 86_400_000;
/** php-fpm's buffer: a longer text is shown as an empty one. */
const LONGEST_TEXT = 127;

const pad = (value: number, width = 2, fill = '0') => String(value).padStart(width, fill);
const hour12 = (date: Date) => date.getHours() % 12 || 12;

/** Days since 1 January. */
function dayOfYear(date: Date): number {
  const day = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((day - Date.UTC(date.getFullYear(), 0, 1)) / DAY_MS);
}

/** ISO 8601: the week belongs to the year that its Thursday is in. */
function isoWeek(date: Date): { year: number; week: number } {
  const weekday = (date.getDay() + 6) % 7;
  const thursday = new Date(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate() - weekday + 3));
  const year = thursday.getUTCFullYear();
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS));
  return { year, week };
}

function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

const CONVERSIONS: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => (DAYS[date.getDay()] ?? '').slice(0, 3),
  A: (date) => DAYS[date.getDay()] ?? '',
  b: (date) => SHORT_MONTHS[date.getMonth()] ?? '',
  B: (date) => MONTHS[date.getMonth()] ?? '',
  c: (date) => convert('%a %b %e %H:%M:%S %Y', date),
  C: (date) => pad(Math.floor(date.getFullYear() / 100)),
  d: (date) => pad(date.getDate()),
  D: (date) => convert('%m/%d/%y', date),
  e: (date) => pad(date.getDate(), 2, ' '),
  F: (date) => convert('%Y-%m-%d', date),
  g: (date) => pad(isoWeek(date).year % 100),
  G: (date) => String(isoWeek(date).year),
  h: (date) => convert('%b', date),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(hour12(date)),
  j: (date) => pad(dayOfYear(date) + 1, 3),
  k: (date) => pad(date.getHours(), 2, ' '),
  l: (date) => pad(hour12(date), 2, ' '),
  m: (date) => pad(date.getMonth() + 1),
  M: (date) => pad(date.getMinutes()),
  n: () => '\n',
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  P: (date) => (date.getHours() < 12 ? 'am' : 'pm'),
  r: (date) => convert('%I:%M:%S %p', date),
  R: (date) => convert('%H:%M', date),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  S: (date) => pad(date.getSeconds()),
  t: () => '\t',
  T: (date) => convert('%H:%M:%S', date),
  u: (date) => String(date.getDay() || 7),
  U: (date) => pad(Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7)),
  V: (date) => pad(isoWeek(date).week),
  w: (date) => String(date.getDay()),
  W: (date) => pad(Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7)),
  x: (date) => convert('%m/%d/%y', date),
  X: (date) => convert('%H:%M:%S', date),
  y: (date) => pad(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  z: offset,
  Z: zoneName,
  '%': () => '%',
};

/** A conversion, with the modifiers E and O, which mean nothing in this locale. */
const CONVERSION = /%[EO]?(.)/gs;

function convert(format: string, date: Date): string {
  return format.replace(CONVERSION, (whole, letter: string) => CONVERSIONS[letter]?.(date) ?? whole);
}

/** @returns an empty text if it would have more than 127 characters, as in php-fpm */
export function strftime(format: string, date: Date): string {
  const text = convert(format, date);
  return text.length > LONGEST_TEXT ? '' : text;
}

/** {@link strftime} for one format and many times: the text is made once for each second. */
export function secondwise(format: string): (epochUs: number) => string {
  let last = Number.NaN;
  let text = '';
  return (epochUs) => {
    const second = Math.floor(epochUs / 1e6);
    if (second !== last) {
      last = second;
      const date = new Date(second * 1000);
      text = Number.isNaN(date.getTime()) ? '' : strftime(format, date);
    }
    return text;
  };
}
