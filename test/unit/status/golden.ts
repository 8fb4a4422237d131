import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../../../test/golden/status/', import.meta.url));

/** Compares with a file of test/golden/status; `TSFPM_UPDATE_GOLDEN=1` writes it instead. */
export function assertGolden(name: string, actual: string): void {
  const path = FOLDER + name;
  if (process.env.TSFPM_UPDATE_GOLDEN === '1') {
    writeFileSync(path, actual);
    return;
  }
  assert.equal(actual, readFileSync(path, 'utf8'), name);
}
