import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderNoise, renderTables, renderVerdict } from '../../bench/report.js';
import { judgeTargets, type MeasuredSample, problemsOf, type ScenarioResult } from '../../bench/results.js';
import type { Metric, Target } from '../../bench/scenario.js';

const METRICS: readonly Metric[] = [
  { key: 'speed', title: 'requests/s', digits: 0, comparison: 'ratio' },
  { key: 'p99', title: 'p99, µs', digits: 1 },
];

function resultOf(speeds: Record<string, number[]>, targets: Target[] = []): ScenarioResult {
  const subjects = Object.entries(speeds).map(([name, values]) => ({
    name,
    samples: values.map((speed): MeasuredSample => ({ values: { speed, p99: 12.34 }, problems: [] })),
    problems: [],
  }));
  return { scenario: { name: 'hello', title: 'hello world', metrics: METRICS, targets }, subjects };
}

test('the table shows medians, ranges and ratios paired by round', () => {
  const table = renderTables([resultOf({ 'php-fpm': [100, 200, 300], tsfpm: [120, 260, 330] })]);
  assert.deepEqual(table.split('\n'), [
    '| scenario | served by | requests/s | × php-fpm | p99, µs |',
    '| --- | --- | --: | --: | --: |',
    '| hello world | php-fpm | 200 (100-300) | 1 | 12.3 |',
    '| hello world | tsfpm | 260 (120-330) | 1.20 (1.10-1.30) | 12.3 |',
  ]);
});

test('what was not measured is a dash, not a number', () => {
  const table = renderTables([resultOf({ tsfpm: [120], 'spawn-fcgi': [] })]);
  assert.match(table, /^\| hello world \| tsfpm \| 120 \| - \| 12\.3 \|$/m);
  assert.match(table, /^\| hello world \| spawn-fcgi \| - \| - \| - \|$/m);
});

test('scenarios with other metrics get a table of their own', () => {
  const memory = resultOf({ tsfpm: [] });
  const tables = renderTables([
    resultOf({ tsfpm: [1] }),
    { ...memory, scenario: { ...memory.scenario, metrics: [{ key: 'm', title: 'MiB', digits: 2 }] } },
    resultOf({ tsfpm: [2] }),
  ]);
  assert.deepEqual(
    tables.split('\n\n').map((table) => table.split('\n').length),
    [4, 3],
  );
});

const VERDICTS: [tsfpm: number[], target: Target, isMet: boolean][] = [
  [[115], { metric: 'speed', atLeast: 1.15 }, true],
  [[114], { metric: 'speed', atLeast: 1.15 }, false],
  [[80], { metric: 'speed', atMost: 0.8 }, true],
  [[81], { metric: 'speed', atMost: 0.8 }, false],
  [[], { metric: 'speed', atMost: 0.8 }, false],
];

for (const [tsfpm, target, isMet] of VERDICTS) {
  test(`${JSON.stringify(target)} is ${isMet ? 'met' : 'missed'} by [${tsfpm}] against 100`, () => {
    const [verdict, ...others] = judgeTargets([resultOf({ 'php-fpm': [100], tsfpm }, [target])]);
    assert.equal(verdict?.outcome, isMet ? 'PASS' : 'MISS');
    assert.deepEqual(others, []);
  });
}

/** Against 100 in each round; others took a part of the processors in the last one. */
const ROUNDS: [tsfpm: number[], others: number, outcome: string][] = [
  [[90, 99, 100], 0, 'PASS'],
  [[90, 100.4, 130], 0, 'PASS'],
  [[101, 102, 103], 0, 'MISS'],
  [[99, 102, 103], 0, 'OPEN'],
  [[99, 102, 103, 104], 0, 'MISS'],
  [[99, 102, 103, 104], 30, 'OPEN'],
  [[101, 102, 103, 104], 30, 'MISS'],
];

for (const [tsfpm, others, outcome] of ROUNDS) {
  test(`at most 1 is ${outcome} for [${tsfpm}] against 100 each, where others took ${others} %`, () => {
    const baseline = tsfpm.map(() => 100);
    const result = resultOf({ 'php-fpm': baseline, tsfpm }, [{ metric: 'speed', atMost: 1 }]);
    result.subjects[1]?.samples.push({ values: {}, problems: [], othersPercent: others });
    assert.equal(judgeTargets([result])[0]?.outcome, outcome);
  });
}

test('the report says whether the machine was noisy', () => {
  const quiet = resultOf({ tsfpm: [1, 2] });
  assert.match(renderNoise([quiet]), /quiet/);
  const noisy = resultOf({ tsfpm: [1] });
  for (const othersPercent of [10, 11, 42.4])
    noisy.subjects[0]?.samples.push({ values: {}, problems: [], othersPercent });
  assert.equal(
    renderNoise([quiet, noisy]),
    'The machine was noisy in 2 measurements: others took up to 42 % of its processors (hello, tsfpm, round 4).',
  );
});

test('a verdict reads as one line', () => {
  const target = { metric: 'speed', atLeast: 1.15 };
  const lines = judgeTargets([
    resultOf({ 'php-fpm': [100], tsfpm: [120] }, [target]),
    resultOf({ 'php-fpm': [100] }, [target]),
    resultOf({ 'php-fpm': [100, 100], tsfpm: [100, 120] }, [target]),
  ]).map(renderVerdict);
  assert.deepEqual(lines, [
    'PASS hello world: requests/s, × php-fpm: 1.20 (at least 1.15)',
    'MISS hello world: requests/s, × php-fpm: tsfpm or php-fpm not measured (at least 1.15)',
    'OPEN hello world: requests/s, × php-fpm: 1.10 (at least 1.15; 1 of 2 rounds reach it: not decided)',
  ]);
});

test('problems say where they were met', () => {
  const result = resultOf({ tsfpm: [1, 2] });
  result.subjects[0]?.samples.push({ values: {}, problems: ['3 requests failed'] });
  result.subjects[0]?.problems.push('did not stop');
  assert.deepEqual(problemsOf([result]), [
    'hello, tsfpm: did not stop',
    'hello, tsfpm, round 3: 3 requests failed',
  ]);
});
