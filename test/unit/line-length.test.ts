import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The formatter breaks code, but neither comments nor strings.

const SOURCE = fileURLToPath(new URL('../../../src', import.meta.url));
const LONGEST_LINE = 120;
/** A regular expression cannot be broken. */
const ONLY_A_PATTERN = /^\s*\/.*\/[a-z]*;$/;

test(`no line of src is longer than ${LONGEST_LINE} columns`, () => {
  const tooLong = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(?:ts|mjs|c|h)$/.test(path))
    .flatMap((path) =>
      readFileSync(join(SOURCE, path), 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          line.length > LONGEST_LINE && !ONLY_A_PATTERN.test(line) ? [`src/${path}:${index + 1}`] : [],
        ),
    );
  assert.deepEqual(tooLong, []);
});
