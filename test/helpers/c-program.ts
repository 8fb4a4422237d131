import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUNTIME = fileURLToPath(new URL('../../../src/runtime', import.meta.url));
const COMPILER = process.env.CC || 'cc';
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

function canSanitize(): boolean {
  const options = { input: 'int main(void){return 0;}' };
  return spawnSync(COMPILER, [...SANITIZERS, '-x', 'c', '-o', '/dev/null', '-'], options).status === 0;
}

/**
 * Compiles a C program, with sanitizers where the compiler has them; it may include files of src/runtime.
 *
 * @param files names in src/runtime that it is linked with
 * @returns its path, valid until the end of the test
 */
export function compileProgram(t: TestContext, source: string, files: readonly string[] = []): string {
  const folder = mkdtempSync('/tmp/tsfpm-test-c-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'program');
  writeFileSync(`${program}.c`, source);
  const flags = ['-std=c11', '-g', '-Wall', '-Wextra', '-Werror', `-I${RUNTIME}`, '-o', program];
  const sources = [`${program}.c`, ...files.map((name) => join(RUNTIME, name))];
  const args = [...flags, ...(canSanitize() ? SANITIZERS : []), ...sources];
  const { status, stderr } = spawnSync(COMPILER, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return program;
}
