import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingName } from '../../../src/config/config.js';
import { DIRECTIVES, type DirectiveRow, findDirective } from '../../../src/config/directives.js';
import { parseValueOf, printValueOf } from '../../../src/config/values.js';
import { linesOf, loadText, POOL } from './memory-disk.js';

const labelOf = (row: DirectiveRow) => `${row.scope} ${row.name}`;

test('a name stands once in its scope', () => {
  const labels = DIRECTIVES.map(labelOf);
  assert.deepEqual(
    labels.filter((label, index) => labels.indexOf(label) !== index),
    [],
  );
});

test('scalar names match in any case, array names exactly', () => {
  assert.equal(findDirective('pool', 'PM.Max_Children', false)?.name, 'pm.max_children');
  assert.equal(findDirective('pool', 'env', true)?.name, 'env');
  assert.equal(findDirective('pool', 'ENV', true), undefined);
  assert.equal(findDirective('pool', 'env', false), undefined);
  assert.equal(findDirective('global', 'listen', false), undefined);
});

for (const row of DIRECTIVES.filter((candidate) => candidate.default !== undefined)) {
  test(`the default of ${labelOf(row)} is a value of its type`, () => {
    const printed = printValueOf(row.type, row.default as never);
    assert.deepEqual(parseValueOf(row.type, printed), { value: row.default });
  });
}

/** A file in which the directive is the only thing that could be wrong. */
function fileWith(row: DirectiveRow, value: number): string {
  if (row.scope === 'global') {
    return `${row.name} = ${value}\n${POOL}`;
  }
  const others =
    'pm.max_children = 1000000\npm.min_spare_servers = 1\npm.max_spare_servers = 1\nslowlog = /s\n';
  const manager = row.name.endsWith('_idle_timeout') ? 'ondemand' : 'dynamic';
  return `${POOL}pm = ${manager}\n${others}${row.name} = ${value}\n`;
}

function refusalsOf(row: DirectiveRow, value: number): string[] {
  const prefix = row.scope === 'pool' ? '[pool www] ' : '';
  const expected = `${row.range?.level.toUpperCase()}: ${prefix}${row.range?.refusal.replace('%d', String(value))}`;
  return linesOf(loadText(fileWith(row, value))).filter((line) => line === expected);
}

for (const row of DIRECTIVES.filter((candidate) => candidate.range !== undefined)) {
  const { min = 0, max } = row.range ?? {};
  test(`${labelOf(row)} is bounded by ${min} and ${max ?? 'nothing'}`, () => {
    const inside = max === undefined ? [min, min + 1, 2_147_483_647] : [min, max];
    // 0 is how a file says that it does not set this one.
    const belowMin = row.name === 'request_slowlog_trace_depth' ? -1 : min - 1;
    const outside = max === undefined ? [belowMin] : [belowMin, max + 1];
    assert.deepEqual(
      inside.flatMap((value) => refusalsOf(row, value)),
      [],
    );
    assert.equal(outside.flatMap((value) => refusalsOf(row, value)).length, outside.length);
  });
}

for (const row of DIRECTIVES.filter(
  (candidate) => candidate.type !== 'string' && candidate.type !== 'mode',
)) {
  test(`${labelOf(row)} refuses garbage`, () => {
    const entry = row.array === undefined ? row.name : `${row.name}[k]`;
    const line = `${entry} = "gar bage"\n`;
    const result = loadText(row.scope === 'global' ? line + POOL : POOL + line);
    const number = row.scope === 'global' ? 1 : 6;
    const place = { file: 't.conf', line: number, section: row.scope === 'global' ? 'global' : 'www' };
    assert.deepEqual(result.problems.map(({ error }) => error?.place)[0], {
      ...place,
      directive: row.name,
      value: 'gar bage',
    });
    assert.match(linesOf(result)[0] ?? '', new RegExp(`^ERROR: \\[t\\.conf:${number}\\] `));
  });
}

test('names become fields in camel case', () => {
  assert.equal(settingName('pm.max_children'), 'pmMaxChildren');
  assert.equal(settingName('request_slowlog_timeout'), 'requestSlowlogTimeout');
  assert.equal(settingName('listen'), 'listen');
});
