import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../os/libc.js';
import { writeUInt32 } from '../os/native-integers.js';

// PHP of Debian, Fedora and others has no time zones of its own: it looks through the system's folder at the first use
// of a date and opens each zone's file when it is asked for. In a jail neither is there, and PHP 8.2 crashes. So a pool
// with a chroot gets the whole database as PHP's own, in memory, before its workers enter the jail: runtime/jail.c.

/** The folder that such builds of PHP read. */
const ZONE_FOLDER = '/usr/share/zoneinfo';
/** Entries that those builds leave out of their list as well. */
const SKIPPED = new Set(['posix', 'posixrules', 'right']);
const TZIF_PREAMBLE = 20;

/** One zone as zone.tab has it. */
interface Place {
  readonly country: string;
  /** Degrees. */
  readonly latitude: number;
  readonly longitude: number;
  readonly comment: string;
}

const NO_PLACE: Place = { country: '??', latitude: 0, longitude: 0, comment: '?' };

let kept: { readonly stamp: string; readonly database: Buffer | undefined } | undefined;

/**
 * The system's time zones for TIME_ZONES of runtime/control.h; undefined where the system has none. Read again when
 * they have changed.
 */
export function timeZoneDatabase(folder = ZONE_FOLDER): Buffer | undefined {
  const stamp = [folder, ...['.', 'zone.tab', 'tzdata.zi'].map((name) => changeOf(join(folder, name)))].join(
    ' ',
  );
  if (kept?.stamp !== stamp) kept = { stamp, database: readDatabase(folder) };
  return kept.database;
}

function changeOf(path: string): number | undefined {
  return ifThere(() => statSync(path))?.mtimeMs;
}

function readDatabase(folder: string): Buffer | undefined {
  const places = readPlaces(join(folder, 'zone.tab'));
  const zones = zoneNames(folder, '').flatMap((name) => {
    const file = ifThere(() => readFileSync(join(folder, name)));
    const data = file && zoneData(file, name, places.get(name));
    return data === undefined ? [] : [{ name, data }];
  });
  // PHP searches it by halves, without regard to case.
  zones.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
  return zones.length === 0 ? undefined : encodeDatabase(zones);
}

/** A count; for each zone where its name and its data start, from the start of all; names, each with a NUL; data. */
function encodeDatabase(zones: readonly { name: string; data: Buffer }[]): Buffer {
  const head = Buffer.alloc(4 + 8 * zones.length);
  const parts: Buffer[] = [head];
  writeUInt32(head, zones.length, 0);
  let end = head.length;
  const append = (part: Buffer, place: number): void => {
    writeUInt32(head, end, place);
    parts.push(part);
    end += part.length;
  };
  zones.forEach(({ name }, i) => {
    append(Buffer.from(`${name}\0`), 4 + 8 * i);
  });
  zones.forEach(({ data }, i) => {
    append(data, 8 + 8 * i);
  });
  return Buffer.concat(parts);
}

/** @returns undefined where the file is not there: updates of the system remove files at any time */
function ifThere<Found>(read: () => Found): Found | undefined {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return undefined;
    throw error;
  }
}

function zoneNames(folder: string, below: string): string[] {
  const entries = ifThere(() => readdirSync(join(folder, below), { withFileTypes: true })) ?? [];
  return entries.flatMap((entry) => {
    if (SKIPPED.has(entry.name) || /\.(?:list|tab)$/.test(entry.name)) return [];
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) return zoneNames(folder, name);
    return ifThere(() => statSync(join(folder, name)))?.isFile() ? [name] : [];
  });
}

/**
 * A zone in the form that PHP brings its own in: its preamble, the file behind that of RFC 8536, and the place.
 *
 * @returns undefined for what is no zone file
 */
function zoneData(file: Buffer, name: string, place: Place | undefined): Buffer | undefined {
  if (file.length <= TZIF_PREAMBLE || file.toString('latin1', 0, 4) !== 'TZif') return undefined;
  const version = file.toString('latin1', 4, 5);
  const { country, latitude, longitude, comment } = place ?? NO_PLACE;
  const isListed = place !== undefined || name === 'UTC';
  const preamble = Buffer.alloc(TZIF_PREAMBLE);
  preamble.write(`PHP${version}${isListed ? '\x01' : '\0'}${country}`, 'latin1');
  const text = Buffer.from(comment);
  const end = Buffer.alloc(12);
  end.writeUInt32BE(Math.round((latitude + 90) * 100_000), 0);
  end.writeUInt32BE(Math.round((longitude + 180) * 100_000), 4);
  end.writeUInt32BE(text.length, 8);
  return Buffer.concat([preamble, file.subarray(TZIF_PREAMBLE), end, text]);
}

/** @see the comments at the head of zone.tab */
const ZONE_LINE = /^([A-Z]{2})\t([+-]\d{4,7})([+-]\d{4,7})\t([^\t\n]+)(?:\t([^\t\n]*))?/;

function readPlaces(path: string): Map<string, Place> {
  const text = ifThere(() => readFileSync(path, 'utf8')) ?? ''; // without it zones have no country, no more
  const places = new Map<string, Place>();
  for (const line of text.split('\n')) {
    const [, country = '', latitude = '', longitude = '', name = '', comment = ''] =
      ZONE_LINE.exec(line) ?? [];
    if (name !== '')
      places.set(name, { country, latitude: degrees(latitude), longitude: degrees(longitude), comment });
  }
  return places;
}

/** ISO 6709: sign, degrees, two digits of minutes and maybe two of seconds. */
function degrees(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.slice(1);
  const hasSeconds = digits.length > 5;
  const whole = digits.length - (hasSeconds ? 4 : 2);
  const minutes = Number(digits.slice(whole, whole + 2));
  const seconds = hasSeconds ? Number(digits.slice(whole + 2)) : 0;
  const value = sign * (Number(digits.slice(0, whole)) + minutes / 60 + seconds / 3600);
  return Math.trunc(value * 100_000) / 100_000; // as PHP has it
}
