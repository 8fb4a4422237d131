import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MasterLog } from '../../../src/log/master-log.js';
import { extensionNames, namedExtension, StartLines } from '../../../src/zygote/start-lines.js';

const LOADED = (name: string) => `PHP Warning:  Module "${name}" is already loaded in Unknown on line 0`;
const MISSING = (name: string) =>
  `PHP Warning:  PHP Startup: Unable to load dynamic library '${name}' (tried: /x/${name} (/x/${name}: cannot open) in Unknown`;

for (const [line, expected] of [
  [LOADED('exif'), { name: 'exif', isLoaded: true }],
  ["PHP Warning:  Module 'json' already loaded in Unknown on line 0", { name: 'json', isLoaded: true }],
  ['Cannot load Zend OPcache - it was already loaded', { name: 'zend opcache', isLoaded: true }],
  [MISSING('Hash'), { name: 'hash', isLoaded: false }],
  [MISSING('/usr/lib/php/json.so'), { name: 'json', isLoaded: false }],
  ['PHP Warning:  something else in Unknown on line 0', undefined],
] as const)
  test(`what a line says of an extension: ${line.slice(0, 70)}`, () => {
    assert.deepEqual(namedExtension(line), expected);
  });

test('the list of modules becomes names', () => {
  assert.deepEqual(
    [...extensionNames('[PHP Modules]\nCore\nhash\n\n[Zend Modules]\nZend OPcache\n')],
    ['core', 'hash', 'zend opcache'],
  );
});

async function told(lines: readonly string[], builtIn: readonly string[]) {
  const found: string[] = [];
  let asked = 0;
  const level = (name: string) => (message: string) => found.push(`${name} ${message.slice(0, 60)}`);
  const log = { notice: level('notice'), warning: level('warning') } as unknown as MasterLog;
  const startLines = new StartLines('www', log, async () => {
    asked++;
    return new Set(builtIn);
  });
  for (const line of lines) startLines.tell(line, '/php-cgi');
  await new Promise(setImmediate);
  return { found, asked, count: found.length };
}

test('an extension that is there anyway is told once, as a notice; one that is not, each time', async () => {
  const lines = [LOADED('exif'), MISSING('hash'), MISSING('nosuch')];
  const { found, asked } = await told([...lines, ...lines], ['hash']);
  assert.deepEqual(found.map((text) => text.split(' ')[0]).sort(), [
    'notice',
    'notice',
    'warning',
    'warning',
  ]);
  assert.equal(asked, 2);
});

test('lines without end are neither kept nor asked about without end', async () => {
  const many = Array.from({ length: 500 }, (_, i) => i);
  const { count, asked } = await told(
    many.flatMap((i) => [LOADED(`l${i}`), MISSING(`m${i}`), LOADED(`l${i}`)]),
    [],
  );
  assert.equal(asked, 64);
  assert.equal(count, 500 + 500 + (500 - 64));
});
