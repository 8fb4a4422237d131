import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { readUInt32 } from '../../../src/os/native-integers.js';
import { timeZoneDatabase } from '../../../src/zygote/time-zones.js';

// That PHP understands the whole of it is shown with the system's own in test/integration/chroot.test.ts.

const TZIF = (body: string, version = '2') => `TZif${version}${'\0'.repeat(15)}${body}`;
const ZONE_TAB = `# a comment
FR\t+4852+00220\tEurope/Paris
AQ\t-900000-1800000\tAntarctica/Pole\tboth lines
XX\tnowhere\tBad/Line
`;

function folderWith(
  t: { after: (work: () => void) => void },
  files: Readonly<Record<string, string>>,
): string {
  const folder = mkdtempSync('/tmp/tsfpm-zones-');
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text, 'latin1');
  }
  return folder;
}

/** Name -> data, in their order. */
function decode(database: Buffer): [string, Buffer][] {
  const count = readUInt32(database, 0);
  const at = (i: number) => readUInt32(database, 4 + 4 * i);
  return Array.from({ length: count }, (_, i) => {
    const name = database.toString('latin1', at(2 * i), database.indexOf(0, at(2 * i)));
    return [name, database.subarray(at(2 * i + 1), i + 1 < count ? at(2 * i + 3) : database.length)];
  });
}

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const place = (latitude: number, longitude: number, comment: string) =>
  [latitude, longitude, comment.length].map((n) => n.toString(16).padStart(8, '0')).join('') + hex(comment);

test('zones are in the order of their names without case, in the form of PHP, with their places', (t) => {
  const folder = folderWith(t, {
    'zone.tab': ZONE_TAB,
    'Europe/Paris': TZIF('paris'),
    'Antarctica/Pole': TZIF('pole', '3'),
    'b/zone': TZIF('b'),
    'C/zone': TZIF('c'),
    UTC: TZIF('utc'),
    leapseconds: 'no zone file, though it is long enough',
    'right/UTC': TZIF('with leap seconds'),
    'posix/UTC': TZIF('x'),
    posixrules: TZIF('x'),
    'tzdata.list': TZIF('x'),
  });
  const rest = '\0'.repeat(13);
  assert.deepEqual(
    decode(timeZoneDatabase(folder) ?? Buffer.alloc(4)).map(([name, data]) => [name, data.toString('hex')]),
    [
      ['Antarctica/Pole', hex(`PHP3\x01AQ${rest}pole`) + place(0, 0, 'both lines')],
      ['b/zone', hex(`PHP2\0??${rest}b`) + place(9_000_000, 18_000_000, '?')],
      ['C/zone', hex(`PHP2\0??${rest}c`) + place(9_000_000, 18_000_000, '?')],
      ['Europe/Paris', hex(`PHP2\x01FR${rest}paris`) + place(13_886_666, 18_233_333, '')],
      ['UTC', hex(`PHP2\x01??${rest}utc`) + place(9_000_000, 18_000_000, '?')],
    ],
  );
});

test('changes are seen, and a system without time zones has no database', (t) => {
  const folder = folderWith(t, { UTC: TZIF('utc') });
  const names = () => decode(timeZoneDatabase(folder) ?? Buffer.alloc(4)).map(([name]) => name);
  assert.deepEqual(names(), ['UTC']);
  assert.equal(timeZoneDatabase(folder), timeZoneDatabase(folder));
  writeFileSync(join(folder, 'Later'), TZIF('later'), 'latin1');
  assert.deepEqual(names(), ['Later', 'UTC']);
  assert.equal(timeZoneDatabase(folderWith(t, { 'zone.tab': ZONE_TAB })), undefined);
  assert.equal(timeZoneDatabase('/no/such/folder'), undefined);
});
