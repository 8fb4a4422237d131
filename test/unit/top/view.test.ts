import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { figuresOf } from '../../../src/top/figures.js';
import { FIRST_VIEW, keysOf, pressed, SORT_KEYS, shownWorkers, type View } from '../../../src/top/view.js';
import { live, pool, worker } from './live-sample.js';

const POOLS = ['www', 'shop'];

/** The view after these keys. */
function after(keys: string, view: View = FIRST_VIEW): View {
  return keysOf(keys).reduce((current, key) => {
    const effect = pressed(current, key, POOLS, 10);
    assert.ok(typeof effect === 'object', `${JSON.stringify(key)} ends it`);
    return effect.view;
  }, view);
}

test('what a terminal sends is cut into keys', () => {
  assert.deepEqual(keysOf('s\x1b[A\x1bOB\x1b[5~q\x1b'), ['s', '\x1b[A', '\x1bOB', '\x1b[5~', 'q', '\x1b']);
});

test('q and Ctrl-C end it, Ctrl-Z suspends it, also while something is typed', () => {
  for (const view of [FIRST_VIEW, after('?')]) assert.equal(pressed(view, 'q', POOLS, 5), 'quit');
  for (const view of [FIRST_VIEW, after('?'), after('/')]) {
    assert.equal(pressed(view, '\x03', POOLS, 5), 'quit');
    assert.equal(pressed(view, '\x1a', POOLS, 5), 'suspend');
  }
});

test('s goes through all orders, a letter chooses one, and once more reverses it', () => {
  assert.equal(after('s').sort, 'cpu');
  assert.equal(after('s'.repeat(SORT_KEYS.length)).sort, FIRST_VIEW.sort);
  assert.deepEqual([after('M').sort, after('M').isReversed, after('MM').isReversed], ['memory', false, true]);
  assert.equal(after('Mr').isReversed, true);
});

test('a filter is typed, mended, kept and dropped', () => {
  assert.deepEqual([after('/qs').filter, after('/qs').isTyping], ['qs', true]);
  assert.equal(after('/abc\x7f\x7f').filter, 'a');
  assert.deepEqual([after('/abc\r').filter, after('/abc\r').isTyping], ['abc', false]);
  assert.equal(after('/abc\x1b').filter, '');
  assert.equal(after('/abc\r\x1b').filter, '');
  assert.equal(after('/\x1b[Aab\x01').filter, 'ab');
  assert.equal(after(`/${'x'.repeat(500)}`).filter.length, 64);
});

test('p goes through the pools and back to all', () => {
  assert.deepEqual(
    ['p', 'pp', 'ppp'].map((keys) => after(keys).pool),
    ['www', 'shop', undefined],
  );
  // The pool has gone with a reload.
  assert.equal(after('p', { ...FIRST_VIEW, pool: 'gone' }).pool, undefined);
});

test('scrolling ends at the top; intervals end at both ends', () => {
  assert.deepEqual(
    [after('jj\x1b[Bk').scrolled, after('kk').scrolled, after('\x1b[6~').scrolled],
    [2, 0, 10],
  );
  assert.equal(after('+').intervalMs, 5000);
  assert.deepEqual([after('+'.repeat(99)).intervalMs, after('-'.repeat(99)).intervalMs], [60_000, 200]);
});

const FIGURES = figuresOf(
  live(0, [
    pool('www', {
      workers: [
        worker(1, { durationMs: 9000 }),
        worker(2, { state: 'Running', durationMs: 10, uri: '/Search' }),
        worker(3, { state: 'Running', durationMs: 20, requests: 99 }),
      ],
    }),
    pool('shop', { workers: [worker(4, { ageS: 1 })] }),
  ]),
  undefined,
  new Map([
    [1, { cpuPercent: 1, privateBytes: 4 }],
    [4, { cpuPercent: 3, privateBytes: 2 }],
  ]),
).workers;

const ORDERS: readonly [view: Partial<View>, pids: readonly number[]][] = [
  [{ sort: 'time' }, [3, 2, 1, 4]],
  [{ sort: 'time', isReversed: true }, [4, 1, 2, 3]],
  [{ sort: 'cpu' }, [4, 1, 2, 3]],
  [{ sort: 'memory' }, [1, 4, 2, 3]],
  [{ sort: 'requests' }, [3, 1, 2, 4]],
  [{ sort: 'age' }, [1, 2, 3, 4]],
  [{ sort: 'pid', isReversed: true }, [4, 3, 2, 1]],
  [{ sort: 'pool' }, [4, 1, 2, 3]],
  [{ hidesIdle: true }, [3, 2]],
  [{ pool: 'shop' }, [4]],
  [{ filter: 'SEARCH' }, [2]],
  [{ filter: 'running' }, [3, 2]],
];

for (const [view, pids] of ORDERS)
  test(`${JSON.stringify(view)} shows ${pids}`, () =>
    assert.deepEqual(
      shownWorkers(FIGURES, { ...FIRST_VIEW, ...view }).map((each) => each.worker.pid),
      pids,
    ));

test('no keys, in whatever order, make a view that cannot be', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom('s', '/', '\x1b', 'p', 'r', 'j', 'k', '\r', '\x1b[5~'), fc.string())),
      (keys) => {
        let view = FIRST_VIEW;
        for (const key of keys.flatMap(keysOf)) {
          const effect = pressed(view, key, POOLS, 3);
          if (typeof effect === 'object') view = effect.view;
        }
        assert.ok(view.scrolled >= 0 && view.filter.length <= 64 && SORT_KEYS.includes(view.sort));
      },
    ),
  );
});
