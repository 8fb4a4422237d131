import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  mistakeText,
  NO_RESTARTS,
  type RestartHistory,
  restartDelay,
  withRestart,
} from '../../../src/lifecycle/mistakes.js';

const MINUTE = 60_000;

/** Each mistake comes right after the restart before it. @returns the pauses between restarts, in minutes */
function pauses(count: number): number[] {
  let history: RestartHistory = NO_RESTARTS;
  let nowMs = 5;
  return Array.from({ length: count }, () => {
    const delayMs = restartDelay(history, nowMs);
    nowMs += delayMs;
    history = withRestart(history, nowMs);
    return delayMs / MINUTE;
  });
}

test('the first mistake restarts at once, each that follows at twice the distance, up to an hour', () => {
  assert.deepEqual(pauses(9), [0, 1, 2, 4, 8, 16, 32, 60, 60]);
});

test('a mistake long after the last restart is a first one again', () => {
  const history = withRestart(withRestart(NO_RESTARTS, 0), MINUTE);
  assert.equal(restartDelay(history, 2 * MINUTE), MINUTE);
  assert.equal(restartDelay(history, 3 * MINUTE), 0);
  assert.deepEqual(withRestart(history, 4 * MINUTE), { count: 3, lastMs: 4 * MINUTE });
  assert.deepEqual(withRestart(history, 6 * MINUTE), { count: 1, lastMs: 6 * MINUTE });
});

test('it is told with its stack, and what is no error as it is', () => {
  const error = new TypeError('no such thing');
  assert.equal(mistakeText(error), `internal error, please report it: ${error.stack}`);
  assert.equal(mistakeText('odd', 'the start ends'), 'internal error, please report it; the start ends: odd');
});
