import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runTsfpm } from './daemon.js';
import type { Settings } from './daemon-folder.js';
import { allProcesses } from './processes.js';

/** A folder for programs and ini files, which every user can read. It goes with the test. */
export function programFolder(t: TestContext): string {
  const folder = mkdtempSync('/tmp/tsfpm-test-php-');
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program called php-cgi with this content. */
export function programFile(t: TestContext, content: string | Uint8Array): string {
  const path = join(programFolder(t), 'php-cgi');
  writeFileSync(path, content);
  chmodSync(path, 0o755);
  return path;
}

/** The start must fail with exit code 78, one reason that names the binary, no stack trace and nothing left. */
export async function assertNoStart(
  t: TestContext,
  binary: string,
  reason: RegExp,
  settings: Settings = {},
): Promise<void> {
  const { code, stderr, folder } = await runTsfpm(t, { pools: { www: { php_cgi: binary, ...settings } } });
  assert.equal(code, 78, stderr);
  assert.match(stderr, /ERROR: .*php-cgi '/);
  assert.ok(stderr.includes(`'${binary}'`), stderr);
  assert.match(stderr, reason);
  assert.doesNotMatch(stderr, /^ {4}at /m);
  const left = allProcesses().filter(
    ({ folder: at, title }) => at?.startsWith(folder.path) || title.includes(binary),
  );
  assert.deepEqual(left, []);
}
