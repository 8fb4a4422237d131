import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from '../../bench/options.js';

const KNOWN = { subjects: ['php-fpm', 'spawn-fcgi', 'tsfpm'], scenarios: ['hello', 'burst'] };
const parse = (...args: string[]) => parseOptions(args, KNOWN);

test('without options everything is measured', () => {
  const { rounds, seconds, subjects, scenarios, isCheck } = parse();
  assert.deepEqual([rounds, seconds, isCheck], [5, 4, false]);
  assert.deepEqual({ subjects, scenarios }, KNOWN);
});

test('--short shortens, and gives way to explicit numbers', () => {
  const { rounds, seconds, isShort } = parse('--short');
  assert.deepEqual([rounds, seconds, isShort, parse().isShort], [3, 1, true, false]);
  assert.equal(parse('--short', '--rounds', '7').rounds, 7);
});

test('subjects are chosen and left out by name, in their own order', () => {
  assert.deepEqual(parse('--only', 'tsfpm,php-fpm').subjects, ['php-fpm', 'tsfpm']);
  assert.deepEqual(parse('--without', 'tsfpm').subjects, ['php-fpm', 'spawn-fcgi']);
});

const WRONG = [
  ['--rounds', '0'],
  ['--rounds', 'many'],
  ['--seconds', ''],
  ['--only', 'php-fmp'],
  ['--scenario', 'hello,bye'],
  ['--fast'],
  ['stray'],
];

for (const args of WRONG) {
  test(`${args.join(' ')} is a usage error`, () => {
    assert.throws(() => parse(...args), { code: 'USAGE' });
  });
}
