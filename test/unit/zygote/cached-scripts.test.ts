import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileScripts, mostUsedScripts } from '../../../src/zygote/cached-scripts.js';

const list = (...entries: string[]) => Buffer.from(entries.map((entry) => `${entry}\0`).join(''), 'latin1');

test('the scripts with most hits come first, then those that were used last, and no more than were asked for', () => {
  const answer = list('3 100 /c.php', '9 50 /a.php', '3 200 /b.php', '0 900 /d.php');
  assert.deepEqual(mostUsedScripts(answer, 10), ['/a.php', '/b.php', '/c.php', '/d.php']);
  assert.deepEqual(mostUsedScripts(answer, 2), ['/a.php', '/b.php']);
  assert.deepEqual(mostUsedScripts(answer, 0), []);
});

for (const entry of [
  '',
  'x',
  '1 2',
  '1 2 ',
  '1 2 relative.php',
  '1 2 phar:///a.phar/b.php',
  '-1 2 /a.php',
  '1e9 2 /a.php',
  '1  2 /a.php',
  `${'9'.repeat(16)} 2 /a.php`,
  `1 2 /${'a'.repeat(4095)}`,
])
  test(`an entry that opcache never has is left out: ${entry.slice(0, 30)}`, () => {
    assert.deepEqual(mostUsedScripts(list(entry, '1 2 /good.php'), 10), ['/good.php']);
  });

test('a path keeps its bytes, blanks and newlines', () => {
  const path = '/caf\xe9 \xff\n1 2 /x.php';
  assert.deepEqual(mostUsedScripts(list(`1 2 ${path}`), 10), [path]);
  assert.ok(compileScripts([path]).includes(`'${path}'`));
});

test('a path cannot end its quotes', () => {
  assert.ok(compileScripts(["/a'.b().'", '/c\\']).includes(`['/a\\'.b().\\'','/c\\\\']`));
});
