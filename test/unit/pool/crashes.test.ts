import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeWaitStatus } from '../../../src/os/process.js';
import { CrashCounter, isCrash } from '../../../src/pool/crashes.js';

// Wait statuses as wait(2) encodes them.
for (const [status, expected] of [
  [11, true],
  [11 | 0x80, true],
  [7, true],
  [6, false],
  [9, false],
  [15, false],
  [0, false],
  [11 << 8, false],
] as const)
  test(`wait status ${status} ${expected ? 'counts' : 'does not count'} for an emergency restart`, () => {
    assert.equal(isCrash(decodeWaitStatus(status)), expected);
  });

test('an end of unknown status does not count', () => assert.equal(isCrash(undefined), false));

const answers = (threshold: number, intervalS: number, timesS: readonly number[]) => {
  const counter = new CrashCounter({ threshold, intervalS });
  return timesS.map((timeS) => counter.add(timeS * 1000));
};

for (const [name, threshold, intervalS, timesS, expected] of [
  ['the threshold within the interval', 3, 10, [0, 5, 10], [false, false, true]],
  ['one past the interval', 3, 10, [0, 5, 10.001, 12], [false, false, false, true]],
  ['counting starts anew', 2, 10, [0, 1, 2, 3], [false, true, false, true]],
  ['a threshold of one', 1, 1, [0, 100], [true, true]],
  ['threshold 0', 0, 10, [0, 0, 0], [false, false, false]],
  ['interval 0', 1, 0, [0, 0], [false, false]],
  ['shortly after boot one crash is one', 2, 3600, [1], [false]],
] as const)
  test(`emergency restart: ${name}`, () => {
    assert.deepEqual(answers(threshold, intervalS, timesS), expected);
  });
