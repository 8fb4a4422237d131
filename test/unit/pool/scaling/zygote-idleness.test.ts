import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolSnapshot } from '../../../../src/pool/scaling/types.js';
import { MINUTE, SECOND, settingsOf } from './loads.js';
import { decideAll } from './snapshots.js';

const ondemand = settingsOf('ondemand', { zygoteIdleTimeoutMs: 5 * MINUTE });

/** Whether the zygote is to end, and when the pool is looked at again. */
function looks(settings: typeof ondemand, ...snapshots: readonly Partial<PoolSnapshot>[]) {
  return decideAll(settings, snapshots).map(({ endsZygote, callAgainInMs }) => [endsZygote, callAgainInMs]);
}

test('a zygote ends when it has had no worker for the whole timeout', () => {
  assert.deepEqual(looks(ondemand, { nowMs: 0 }, { nowMs: 299_900.5 }, { nowMs: 300_000 }), [
    [false, 300_000],
    [false, 100],
    [true, undefined],
  ]);
});

const USES: readonly [string, Partial<PoolSnapshot>][] = [
  ['a worker', { idle: 1 }],
  ['a worker with a request', { active: 1 }],
  ['a worker on a kept connection', { keptAlive: 1 }],
  ['a fork on its way', { starting: 1 }],
  ['a worker that leaves', { leaving: 1 }],
  ['a client that waits', { queued: 1 }],
];

for (const [what, use] of USES)
  test(`${what} keeps the zygote, and the timeout begins again after it`, () => {
    const ends = looks(
      ondemand,
      { nowMs: 0 },
      { ...use, nowMs: 299 * SECOND },
      { ...use, nowMs: 301 * SECOND },
      { nowMs: 302 * SECOND },
      { nowMs: 601 * SECOND },
      { nowMs: 602 * SECOND },
    ).map(([endsZygote]) => endsZygote);
    assert.deepEqual(ends, [false, false, false, false, false, true]);
  });

test('0 keeps the zygote for ever, and so do the other process managers; neither needs a timer', () => {
  const later = [{ nowMs: 0 }, { nowMs: 1e9 }];
  assert.deepEqual(looks({ ...ondemand, zygoteIdleTimeoutMs: 0 }, ...later), [
    [false, undefined],
    [false, undefined],
  ]);
  for (const pm of ['static', 'dynamic'] as const)
    assert.ok(
      looks(settingsOf(pm, { zygoteIdleTimeoutMs: 1 }), ...later).every(([endsZygote]) => !endsZygote),
    );
});

test('a pool without a zygote needs no timer', () => {
  const none = { hasZygote: false };
  assert.deepEqual(looks(ondemand, { nowMs: 0, ...none }, { nowMs: 1e9, ...none }), [
    [false, undefined],
    [false, undefined],
  ]);
});

test('while the pool may not fork its zygote stays, and goes once it may', () => {
  assert.deepEqual(
    looks(ondemand, { nowMs: 0, mayFork: false }, { nowMs: 6e5, mayFork: false }, { nowMs: 6e5 + 1 }),
    [
      [false, 300_000],
      [false, undefined],
      [true, undefined],
    ],
  );
});
