import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LIBRARY = fileURLToPath(new URL('../../../runtime/tsfpm-runtime.so', import.meta.url));
/** Of Debian 11 and Ubuntu 20.04, which have PHP 7.4: the library is loaded into the libc that its php-cgi brings. */
const OLDEST_GLIBC = 31;

test('the runtime needs no symbol of a glibc newer than 2.31', (t) => {
  const { status, stdout, error } = spawnSync('objdump', ['-T', LIBRARY], { encoding: 'utf8' });
  if (error !== undefined) {
    t.skip('needs objdump, of binutils');
    return;
  }
  assert.equal(status, 0);
  const symbols = [...stdout.matchAll(/\(?GLIBC_2\.([0-9]+)[0-9.]*\)?\s+(\S+)$/gm)];
  assert.ok(symbols.length > 20);
  const tooNew = symbols.filter(([, minor]) => Number(minor) > OLDEST_GLIBC).map(([, , name]) => name);
  assert.deepEqual(tooNew, []);
});
