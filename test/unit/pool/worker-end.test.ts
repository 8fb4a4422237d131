import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExitStatus } from '../../../src/os/process.js';
import {
  endText,
  hasEndedAsTold,
  hasEndedInOrder,
  toldEndText,
  unexpectedEnd,
} from '../../../src/pool/worker-end.js';
import type { EndedWorker } from '../../../src/pool/worker-table.js';

const IN_ORDER: ExitStatus = { kind: 'exited', code: 0 };
const FAILED: ExitStatus = { kind: 'exited', code: 70 };
const SIGKILL: ExitStatus = { kind: 'signaled', signal: 9, isCoreDumped: false };
const ended = (more: Partial<EndedWorker>): EndedWorker => ({
  pid: 42,
  slot: 0,
  status: IN_ORDER,
  ageMs: 1500,
  accepted: 3,
  wasRetired: false,
  wasOverdue: false,
  endReason: undefined,
  wasTimedOut: false,
  ...more,
});
const LOST = ', its request was lost';

for (const [name, worker, asTold, inOrder, text, end] of [
  [
    'at its request limit',
    ended({}),
    false,
    true,
    'child 42 exited with code 0 after 1.500000 seconds from start',
    { ageMs: 1500, isInOrder: true, hasServed: true },
  ],
  ['told to, and in order', ended({ wasRetired: true }), true, true, undefined, undefined],
  [
    'told to, and killed since it did not',
    ended({ wasRetired: true, wasOverdue: true, status: SIGKILL }),
    true,
    false,
    undefined,
    undefined,
  ],
  [
    'told to, and by a failure',
    ended({ wasRetired: true, status: FAILED }),
    false,
    false,
    `child 42 exited with code 70 after 1.500000 seconds from start${LOST}`,
    { ageMs: 1500, isInOrder: false, hasServed: true },
  ],
  [
    'before it has served',
    ended({ status: FAILED, accepted: 0 }),
    false,
    false,
    `child 42 exited with code 70 after 1.500000 seconds from start${LOST}`,
    { ageMs: 1500, isInOrder: false, hasServed: false },
  ],
  [
    'since its request had timed out',
    ended({ status: SIGKILL, accepted: 0, wasTimedOut: true }),
    false,
    false,
    'child 42 exited on signal 9 (SIGKILL) after 1.500000 seconds from start, its request had timed out',
    { ageMs: 1500, isInOrder: true, hasServed: true },
  ],
] as const)
  test(`a worker that has ended ${name}`, () => {
    assert.equal(hasEndedAsTold(worker), asTold);
    assert.equal(hasEndedInOrder(worker), inOrder);
    if (text === undefined) {
      assert.equal(
        toldEndText(worker),
        'child 42 has been killed by the process management after 1.500000 seconds from start',
      );
      return;
    }
    assert.equal(
      endText(worker, () => LOST),
      text,
    );
    assert.deepEqual(unexpectedEnd(worker), end);
  });

test('one whose zygote took its status along is no end in order', () => {
  assert.equal(hasEndedInOrder(ended({ status: undefined })), false);
});
