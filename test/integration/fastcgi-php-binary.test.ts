import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { assertNoStart, programFile, programFolder } from '../helpers/php-program.js';
import { PHP_CGI } from '../helpers/php-programs.js';
import { PID_PHP } from '../helpers/probes.js';
import { allProcesses } from '../helpers/processes.js';

/** The real php-cgi with some bytes of its ELF header changed. */
function patchedPhpCgi(t: TestContext, patch: (binary: Buffer) => void): string {
  const binary = readFileSync(PHP_CGI);
  patch(binary);
  return programFile(t, binary);
}

test('a missing binary is named', (t) => assertNoStart(t, '/nowhere/php-cgi', /No such file or directory/));

test('a file that may not be executed is named', async (t) => {
  const path = programFile(t, readFileSync(PHP_CGI));
  chmodSync(path, 0o644);
  await assertNoStart(t, path, /Permission denied/);
});

test('a file that is no program is named', (t) =>
  assertNoStart(t, programFile(t, 'just text\n'), /not a program/));

test('a statically linked binary is refused with that reason', async (t) => {
  const folder = programFolder(t);
  const path = join(folder, 'php-cgi');
  const compiled = spawnSync('cc', ['-static', '-x', 'c', '-o', path, '-'], {
    input: 'int main(void) { return 0; }',
    encoding: 'utf8',
  });
  if (compiled.status !== 0)
    return t.skip(`cannot compile a static program: ${compiled.stderr ?? compiled.error}`);
  await assertNoStart(t, path, /statically linked/);
});

test('a binary for another machine is refused with both machines', async (t) => {
  const other = process.arch === 'arm64' ? 62 : 183;
  const path = patchedPhpCgi(t, (binary) => binary.writeUInt16LE(other, 18));
  await assertNoStart(t, path, /another machine \((?:AArch64|x86-64); this one is/);
});

test('a binary of musl is refused with its loader', async (t) => {
  const path = patchedPhpCgi(t, (binary) => {
    // elf(5): the table of segments, and in it the one that names the loader.
    const [tableAt, count] = [Number(binary.readBigUInt64LE(32)), binary.readUInt16LE(56)];
    const segments = Array.from({ length: count }, (_, i) =>
      binary.subarray(tableAt + i * 56, tableAt + i * 56 + 56),
    );
    const loader = segments.find((segment) => segment.readUInt32LE(0) === 3);
    assert.ok(loader !== undefined, 'this php-cgi has no loader');
    const [at, size] = [Number(loader.readBigUInt64LE(8)), Number(loader.readBigUInt64LE(32))];
    binary.fill(0, at, at + size);
    binary.write('/lib/ld-musl-x.so.1', at, 'latin1');
  });
  await assertNoStart(t, path, /musl/);
});

test('a program that is no php-cgi is named with what it said', (t) =>
  assertNoStart(t, '/bin/true', /exited with code 0 before it was ready/));

test('a script that ends at once is named with its last words', (t) =>
  assertNoStart(
    t,
    programFile(t, '#!/bin/sh\necho the disk is on fire >&2\nexit 3\n'),
    /code 3 .*the disk is on fire/,
  ));

test('a script that never becomes ready is given up after ten seconds, with its children', async (t) => {
  const startedAt = performance.now();
  await assertNoStart(t, programFile(t, '#!/bin/sh\nsleep 1234\n'), /not ready (?:with)?in 10 s|10 s/);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 9000 && tookMs < 15_000, `${tookMs} ms`);
  assert.deepEqual(
    allProcesses().filter(({ title }) => title === 'sleep 1234'),
    [],
  );
});

test('a php.ini that names a missing extension is a warning, and the pool serves', async (t) => {
  const ini = join(programFolder(t), 'php.ini');
  writeFileSync(ini, 'extension=there_is_no_such_extension\n');
  chmodSync(ini, 0o644);
  const tsfpm = await startTsfpm(t, {
    pools: { www: { php_ini: ini } },
    files: { 'pid.php': PID_PHP },
  });
  tsfpm.announce(/php-cgi: <br \/>$/); // php-cgi speaks HTML where display_errors is on, its default
  await tsfpm.expectLog(/WARNING: .*Unable to load dynamic library 'there_is_no_such_extension'/);
  await tsfpm.get('pid.php');
});

test('a php.ini with a syntax error is told, and the pool serves', async (t) => {
  const ini = join(programFolder(t), 'php.ini');
  writeFileSync(ini, 'memory_limit = 77M\n[broken\nx = "\n');
  chmodSync(ini, 0o644);
  const tsfpm = await startTsfpm(t, {
    pools: { www: { php_ini: ini } },
    files: { 'pid.php': PID_PHP },
  });
  await tsfpm.expectLog(/syntax error, unexpected/);
  await tsfpm.get('pid.php');
});

test('a wrapper script around php-cgi works, with arguments of its own', async (t) => {
  const wrapper = programFile(t, `#!/bin/sh\nexec ${PHP_CGI} -d memory_limit=77M "$@"\n`);
  const tsfpm = await startTsfpm(t, {
    pools: { www: { php_cgi: wrapper } },
    files: { 'limit.php': '<?php echo ini_get("memory_limit");', 'pid.php': PID_PHP },
  });
  assert.equal(await tsfpm.get('limit.php'), '77M');
  assert.ok(tsfpm.workers().includes(Number(await tsfpm.get('pid.php'))));
});
