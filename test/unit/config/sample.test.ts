import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DIRECTIVES } from '../../../src/config/directives.js';
import { isFatal } from '../../../src/config/problem.js';
import { sampleFile, sampleLine } from '../../../src/config/sample.js';
import { configOf, linesOf, loadText, POOL } from './memory-disk.js';

const SHIPPED = new URL('../../../../conf/tsfpm.conf', import.meta.url);

test('the shipped file is the one that the table gives', () => {
  const hint = 'node dist/src/config/sample.js > conf/tsfpm.conf';
  assert.equal(readFileSync(SHIPPED, 'utf8'), sampleFile(), hint);
});

test('the shipped file is right as it is', () => {
  assert.deepEqual(linesOf(loadText(sampleFile())), []);
  const [pool] = configOf(sampleFile()).pools;
  assert.deepEqual(
    [pool?.listen, pool?.pm, pool?.pmMaxChildren, pool?.user],
    ['/run/tsfpm-www.sock', 'static', 4, 'www-data'],
  );
});

for (const row of DIRECTIVES) {
  test(`the sample shows a value of ${row.scope} ${row.name} that is read back`, () => {
    assert.ok(
      sampleFile().includes(`${sampleLine(row)}\n`) || row.required || ['user', 'group'].includes(row.name),
    );
    const line = `${sampleLine(row)}\n`;
    const result = loadText(row.scope === 'global' ? line + POOL : POOL + line);
    const reading = result.problems.filter(
      (problem) => isFatal(problem) && problem.message.startsWith('[t.conf:'),
    );
    assert.deepEqual(reading, []);
  });
}

test('lines of the sample fit a terminal', () => {
  assert.deepEqual(
    sampleFile()
      .split('\n')
      .filter((line) => line.length > 110),
    [],
  );
});
