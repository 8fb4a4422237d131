import assert from 'node:assert/strict';
import { test } from 'node:test';
import { integerText, localTimeText, percentText } from '../../../src/status/numbers.js';

test('integers are digits from 0 to 2^63-1', () => {
  const rows: [number | bigint, string][] = [
    [0, '0'],
    [-0, '0'],
    [1.9, '1'],
    [-1, '0'],
    [-1n, '0'],
    [1e21, '9223372036854775807'],
    [2n ** 64n, '9223372036854775807'],
    [2n ** 63n - 1n, '9223372036854775807'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    [Number.NaN, '0'],
    [Number.POSITIVE_INFINITY, '9223372036854775807'],
    [Number.NEGATIVE_INFINITY, '0'],
  ];
  for (const [value, text] of rows) assert.equal(integerText(value), text);
});

test('percents have two decimals, whatever they are', () => {
  const rows: [number, string][] = [
    [0, '0.00'],
    [43.478, '43.48'],
    [-1, '0.00'],
    [Number.NaN, '0.00'],
    [Number.POSITIVE_INFINITY, '1000000000000000.00'],
  ];
  for (const [value, text] of rows) assert.equal(percentText(value), text);
});

test('times are local, with the offset of that moment', () => {
  assert.equal(localTimeText(1795346789, 0), '22/Nov/2026:11:26:29 +0000');
  assert.equal(localTimeText(1795346789, 330), '22/Nov/2026:16:56:29 +0530');
  assert.equal(localTimeText(1795346789, -210), '22/Nov/2026:07:56:29 -0330');
  assert.equal(localTimeText(1e300, 0), localTimeText(1e301, 0));
  process.env.TZ = 'Europe/Berlin';
  assert.equal(localTimeText(1795346789), '22/Nov/2026:12:26:29 +0100');
  assert.equal(localTimeText(1782000000), '21/Jun/2026:02:00:00 +0200');
});
