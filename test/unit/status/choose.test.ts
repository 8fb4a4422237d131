import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseStatus } from '../../../src/status/choose.js';

// Each row was put to php-fpm 8.2.36.
const ROWS: readonly (readonly [query: string, chosen: string])[] = [
  ['', 'text'],
  ['f', 'text full'],
  ['ful', 'text full'],
  ['fulll', 'text'],
  ['full=0', 'text full'],
  ['j', 'json'],
  ['x', 'xml'],
  ['h&f', 'html full'],
  ['o', 'openmetrics'],
  ['JSON', 'text'],
  ['xml&html', 'html'],
  ['o&x', 'xml'],
  ['json&&full', 'json full'],
  ['&json', 'json'],
  ['a=1&json', 'json'],
  ['json;xml', 'text'],
  ['json=1;full', 'json'],
  ['j%73on', 'json'],
  ['%6A', 'json'],
  ['j%', 'text'],
  ['f%zz', 'text'],
  ['json%3d1', 'text'],
  ['%26json', 'text'],
  ['+json', 'json'],
  ['%20json', 'json'],
  ['json+', 'text'],
  ['\tjson', 'text'],
  ['ht ml', 'text'],
  ['js.on', 'text'],
  ['json%00x', 'json'],
  ['js%00on', 'json'],
  ['%00json', 'text'],
  ['=json', 'text'],
  ['?json', 'text'],
  ['json[]', 'json'],
  ['json[a]=1', 'json'],
  ['j[]x=1', 'json'],
  ['j[a]b[c', 'json'],
  ['full[x][y]', 'text full'],
  ['json%5b%5d=3', 'json'],
  ['json[ ]', 'json'],
  ['json[]]', 'json'],
  ['[json]', 'text'],
  ['json[', 'text'],
  ['j[son', 'text'],
  ['json]', 'text'],
  ['json[%00]', 'text'],
  ['json%00[]', 'json'],
  [`json${'[a]'.repeat(64)}`, 'json'],
  [`json${'[a]'.repeat(65)}`, 'text'],
  [`${'q&'.repeat(999)}json`, 'json'],
  [`${'q&'.repeat(1000)}json`, 'text'],
];

test('a query asks for the page that php-fpm chooses', () => {
  for (const [query, expected] of ROWS) {
    for (const form of [query, Buffer.from(query)]) {
      const { format, full } = chooseStatus(form);
      assert.equal(full ? `${format} full` : format, expected, query.slice(0, 60));
    }
  }
});

test('a query that is no text chooses too', () => {
  assert.deepEqual(chooseStatus(Buffer.of(0xff, 0x26, 0x6a)), { format: 'json', full: false });
});
