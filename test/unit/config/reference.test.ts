import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DIRECTIVES } from '../../../src/config/directives.js';
import { referencePage } from '../../../src/config/reference.js';

const PAGE = new URL('../../../../docs/directives.md', import.meta.url);

test('docs/directives.md is the page that the table gives', () => {
  const hint = 'node dist/src/config/reference.js > docs/directives.md';
  assert.equal(readFileSync(PAGE, 'utf8'), referencePage(), hint);
});

test('every directive has an entry of its own', () => {
  const headings = referencePage()
    .split('\n')
    .filter((line) => line.startsWith('### '))
    .map((line) => line.slice(4));
  assert.deepEqual(
    headings,
    DIRECTIVES.map(({ name }) => name),
  );
});
