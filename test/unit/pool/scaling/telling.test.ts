import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { busyText, maxChildrenText } from '../../../../src/pool/scaling/messages.js';
import type { PoolSnapshot, ScalingSettings } from '../../../../src/pool/scaling/types.js';
import { settingsOf } from './loads.js';
import { decideAll } from './snapshots.js';

const dynamic = settingsOf('dynamic', { maxChildren: 10 });
const ondemand = settingsOf('ondemand', { maxChildren: 10 });

function reached(settings: ScalingSettings, looks: readonly Partial<PoolSnapshot>[]): boolean[] {
  return decideAll(settings, looks).map(({ isMaxChildrenReached }) => isMaxChildrenReached);
}

describe('pm.max_children reached', () => {
  test('dynamic: when spare workers are missing', () => {
    assert.deepEqual(reached(dynamic, [{ active: 9, idle: 1 }, { active: 10 }]), [false, true]);
  });

  test('ondemand: only when somebody waits', () => {
    assert.deepEqual(reached(ondemand, [{ active: 10 }, { active: 10, queued: 1 }]), [false, true]);
  });

  test('static: never', () => {
    const settings = settingsOf('static', { maxChildren: 10 });
    assert.deepEqual(reached(settings, [{ active: 10, queued: 100 }]), [false]);
  });

  test('not while workers may still be forked, or one that leaves holds the place', () => {
    assert.deepEqual(
      reached(ondemand, [
        { active: 5, queued: 100 },
        { active: 9, leaving: 1, queued: 9 },
      ]),
      [false, false],
    );
  });

  test('once, however long it lasts, and though it comes and goes without a fork', () => {
    const full = { active: 10, queued: 5 };
    assert.deepEqual(
      reached(ondemand, [
        full,
        { ...full, nowMs: 1000 },
        { active: 2, idle: 8, nowMs: 2000 },
        { ...full, nowMs: 9000 },
      ]),
      [true, false, false, false],
    );
  });

  test('again after the pool shrank and grew', () => {
    const full = { active: 10, queued: 5 };
    assert.deepEqual(
      reached(ondemand, [
        full,
        { active: 2, nowMs: 20_000 },
        { active: 2, queued: 9, nowMs: 22_000 },
        { ...full, nowMs: 22_100 },
        { ...full, nowMs: 22_200 },
      ]),
      [true, false, false, true, false],
    );
  });

  test('not for each worker that ends in a full pool and is replaced', () => {
    const looks = Array.from({ length: 50 }, (_, index) => ({
      active: index % 2 === 0 ? 10 : 9,
      queued: 5,
      nowMs: index * 700,
    }));
    assert.equal(reached(ondemand, looks).filter(Boolean).length, 1);
  });

  test('in the words of php-fpm', () => {
    assert.equal(
      maxChildrenText('www', 'dynamic', 5),
      '[pool www] server reached pm.max_children setting (5), consider raising it',
    );
    assert.equal(
      maxChildrenText('www', 'ondemand', 5),
      '[pool www] server reached max_children setting (5), consider raising it',
    );
  });
});

describe('seems busy', () => {
  const big = settingsOf('dynamic');
  const busy = (settings: ScalingSettings, looks: readonly Partial<PoolSnapshot>[]) =>
    decideAll(settings, looks).map((decision) => decision.busy);

  test('8 forks at once, with the numbers before them', () => {
    assert.deepEqual(busy(big, [{ active: 3, queued: 7 }]), [{ spawning: 8, idle: 0, total: 3 }]);
  });

  test('8 forks within a second', () => {
    assert.deepEqual(
      busy(big, [
        { active: 2, queued: 3, nowMs: 100 },
        { active: 6, queued: 3, nowMs: 1000 },
      ]),
      [undefined, { spawning: 8, idle: 0, total: 6 }],
    );
  });

  test('not 7, nor 8 in a longer time, nor for ondemand', () => {
    assert.deepEqual(busy(big, [{ active: 2, queued: 6 }]), [undefined]);
    assert.deepEqual(
      busy(big, [
        { active: 2, queued: 3, nowMs: 100 },
        { active: 6, queued: 3, nowMs: 1100 },
      ]),
      [undefined, undefined],
    );
    assert.deepEqual(busy(settingsOf('ondemand'), [{ queued: 50 }]), [undefined]);
  });

  test('once, until the pool was at rest for a second and forks again', () => {
    const looks = [
      { queued: 10, nowMs: 0 },
      { active: 11, queued: 10, nowMs: 500 },
      { active: 22, idle: 1, nowMs: 600 },
      { active: 23, queued: 10, nowMs: 1500 },
      { active: 33, idle: 1, nowMs: 2000 },
      { active: 34, queued: 10, nowMs: 3000 },
    ];
    assert.deepEqual(
      busy(big, looks).map((report) => report?.spawning),
      [11, undefined, undefined, undefined, undefined, 11],
    );
  });

  test('in the words of php-fpm', () => {
    assert.equal(
      busyText('www', { spawning: 8, idle: 0, total: 3 }),
      '[pool www] seems busy (you may need to increase pm.start_servers, or pm.min/max_spare_servers), spawning 8 children, there are 0 idle, and 3 total children',
    );
  });
});
