import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RUNTIME_LIBRARY } from '../../src/zygote/runtime-library.js';
import { assertNoStart, programFolder } from '../helpers/php-program.js';

/** dist/test/integration/ -> test/helpers/ */
const STUB = fileURLToPath(new URL('../../../test/helpers/stub-php.c', import.meta.url));

/** A program that is like a php-cgi of some build, as far as the runtime looks. */
function stubPhp(t: TestContext, ...defines: string[]): string {
  const path = join(programFolder(t), 'php-cgi');
  const args = [...defines.map((define) => `-D${define}`), '-rdynamic', '-o', path, STUB, '-ldl'];
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return path;
}

for (const [name, defines, reason] of [
  [
    'a thread-safe build',
    ['ZTS=1'],
    /last words: "this php-cgi is a thread-safe \(ZTS\) build; tsfpm needs a/,
  ],
  ['PHP 7.3', ['VERSION="7.3.33"'], /PHP 7\.3\.33, which is too old; tsfpm needs PHP 7\.4 to 8\.5/],
  ['PHP 5', ['LACKS_SYMBOLS'], /does not export what the runtime needs \(PHP 7\.4 to 8\.5 do\)/],
  ['an unknown layout', ['ENTRY_SIZE=176'], /an unknown layout of extensions/],
  ['no version', ['VERSION=""'], /does not tell its version/],
  ['a program of another kind', ['SAPI="embed"'], /no php-cgi, but PHP's program for 'embed'/],
] as const)
  test(`${name} is refused with that reason`, (t) => assertNoStart(t, stubPhp(t, ...defines), reason));

test('a PHP newer than those that were tested is told of and tried', async (t) => {
  const php = stubPhp(t, 'VERSION="8.6.0-dev"');
  const tried = /PHP 8\.6\.0-dev is newer than this tsfpm.*exited with code 3 .*"the extension says yes"/s;
  await assertNoStart(t, php, tried, { php_sapi_name: 'cgi-fcgi' });
});

const OTHER_PROGRAMS = [
  ['cli', 'php'],
  ['fpm-fcgi', 'php-fpm'],
] as const;

/** Where distributions put it: with the version in its name, or without. */
function programOfPhp(name: string): string | undefined {
  const minors = ['', '7.4', '8.0', '8.1', '8.2', '8.3', '8.4', '8.5'];
  return ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin']
    .flatMap((folder) => minors.map((minor) => join(folder, `${name}${minor}`)))
    .find((path) => existsSync(path));
}

for (const [sapi, name] of OTHER_PROGRAMS) {
  const path = programOfPhp(name);
  test(`PHP's program '${name}' is refused with that reason`, {
    skip: path === undefined ? `there is no ${name}` : false,
  }, (t) => {
    // By a name of its own: others may run it too.
    const own = join(programFolder(t), name);
    symlinkSync(path ?? '', own);
    return assertNoStart(t, own, new RegExp(`no php-cgi, but PHP's program for '${sapi}'`));
  });
}

test('the runtime asks for nothing that glibc 2.31 lacks: a php-cgi may bring along an older one', () => {
  const { stdout, stderr } = spawnSync('objdump', ['-T', RUNTIME_LIBRARY], { encoding: 'utf8' });
  const needed = [...stdout.matchAll(/GLIBC_2\.(?<minor>[0-9]+)[.0-9]*\)? +(?<symbol>\S+)/g)];
  assert.ok(needed.length > 20, stdout + stderr);
  const tooNew = needed.filter(({ groups }) => Number(groups?.minor) > 31);
  assert.deepEqual(
    tooNew.map(([text]) => text),
    [],
  );
});
