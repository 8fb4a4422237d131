import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ageText,
  bytesText,
  countText,
  fitted,
  percentText,
  rateText,
  tookText,
} from '../../../src/text/figures.js';
import { cellText } from '../../../src/text/harmless.js';
import { HOSTILE } from '../top/live-sample.js';

const CASES: readonly [actual: string, expected: string][] = [
  [countText(0), '0'],
  [countText(999), '999'],
  [countText(1000), '1.0k'],
  [countText(12_345), '12k'],
  [countText(999_999), '1.0M'],
  [countText(undefined), '-'],
  [countText(Number.NaN), '-'],
  [rateText(0), '0'],
  [rateText(0.25), '0.3'],
  [rateText(99.94), '99.9'],
  [rateText(1234.5), '1.2k'],
  [bytesText(0), '0B'],
  [bytesText(1023), '1023B'],
  [bytesText(1024), '1.0K'],
  [bytesText(25_165_824), '24M'],
  [bytesText(1.5 * 1024 ** 3), '1.5G'],
  [percentText(0), '0'],
  [percentText(0.04), '0.0'],
  [percentText(99.6), '100'],
  [tookText(0.04), '0.0ms'],
  [tookText(9.96), '10ms'],
  [tookText(999.6), '1.0s'],
  [tookText(65_000), '65.0s'],
  [tookText(600_000), '10m'],
  [tookText(-5), '0.0ms'],
  [ageText(119), '119s'],
  [ageText(3600), '60m'],
  [ageText(90_000), '25h'],
  [ageText(400_000), '4d'],
  [fitted('abc', 5), 'abc  '],
  [fitted('abc', 5, 'right'), '  abc'],
  [fitted('abcdef', 4), 'abc~'],
  [fitted('abc', 0), ''],
  [cellText('/naïve?x=1&y=%20'), '/naïve?x=1&y=%20'],
  [cellText(HOSTILE), '/?[2J?31m????????e??<script>'],
];

for (const [actual, expected] of CASES)
  test(`'${expected}' is written`, () => assert.equal(actual, expected));

test('whatever the number, its text is short', () => {
  fc.assert(
    fc.property(fc.oneof(fc.double(), fc.double({ min: 0, max: 1e20 })), (value) => {
      for (const text of [
        countText(value),
        rateText(value),
        bytesText(value),
        tookText(value),
        ageText(value),
      ])
        assert.ok(text.length <= 7, text);
    }),
  );
});

test('whatever the text, it drives no terminal and is as wide as it is long', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
      assert.doesNotMatch(cellText(value), /[\0-\x1f\x7f-\x9f\p{Cf}\p{M}\u1100-\uffff]/u);
    }),
  );
});
