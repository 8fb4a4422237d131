import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentLength, exactContentLength } from '../../../src/request/content-length.js';

for (const [text, bytes] of [
  ['', 0n],
  ['0', 0n],
  ['77', 77n],
  [' \t+77 bytes', 77n],
  ['-1', 0n],
  ['x', 0n],
  ['007', 7n],
  ['9007199254740991', 9007199254740991n],
] as const) {
  test(`a CONTENT_LENGTH of '${text}' is ${bytes} bytes, as a number and exactly`, () => {
    assert.equal(contentLength(text), Number(bytes));
    assert.equal(exactContentLength(text), bytes);
  });
}

test('a length that is not there is 0, and none is above 2^63 - 1', () => {
  assert.equal(contentLength(undefined), 0);
  assert.equal(exactContentLength('9'.repeat(50)), 2n ** 63n - 1n);
});
