import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandGlob, GlobAborted } from '../../../src/config/glob.js';
import { memoryDisk } from './memory-disk.js';

const DISK = memoryDisk({
  '/d/a.conf': '',
  '/d/b.conf': '',
  '/d/B.conf': '',
  '/d/.h.conf': '',
  '/d/x]': '',
  '/d/sub.conf/c.conf': '',
  '/e/a.conf': '',
  '/file': '',
});

const CASES: readonly [pattern: string, paths: readonly string[]][] = [
  ['/d/*.conf', ['/d/B.conf', '/d/a.conf', '/d/b.conf']],
  ['/d/?.conf', ['/d/B.conf', '/d/a.conf', '/d/b.conf']],
  ['/d/[ab].conf', ['/d/a.conf', '/d/b.conf']],
  ['/d/[!ab].conf', ['/d/B.conf']],
  ['/d/[a-z].conf', ['/d/a.conf', '/d/b.conf']],
  ['/d/[z-a].conf', []],
  ['/d/x[]]', ['/d/x]']],
  ['/d/[', []],
  ['/d/.*.conf', ['/d/.h.conf']],
  ['/*/a.conf', ['/d/a.conf', '/e/a.conf']],
  ['/d/*/c.conf', ['/d/sub.conf/c.conf']],
  ['/d//a.conf', ['/d/a.conf']],
  ['/d/\\a.conf', ['/d/a.conf']],
  ['/d/nope', []],
  ['/d', []],
  ['/file/*', []],
  ['', []],
];

for (const [pattern, paths] of CASES) {
  test(`'${pattern}' matches ${paths.length} files`, () =>
    assert.deepEqual(expandGlob(pattern, DISK), paths));
}

test('a directory that has to be listed and is not there is an error', () => {
  assert.throws(() => expandGlob('/nope/*', DISK), GlobAborted);
});
