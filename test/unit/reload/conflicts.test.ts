import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockedMoves, type Move } from '../../../src/reload/conflicts.js';

const move = (pool: string, from: number | undefined, to: number): Move => ({ pool, from, to });

for (const [name, moves, holders, expected] of [
  ['no pool changes its address', [move('a', 1, 1), move('b', 2, 2)], [], []],
  ['two pools swap their addresses', [move('a', 1, 2), move('b', 2, 1)], [], []],
  ['the pool that has the address stays', [move('a', 1, 2)], [[2, 'b']], [['a', 'b']]],
  [
    'a new pool wants an address that stays with another',
    [move('n', undefined, 2)],
    [[2, 'b']],
    [['n', 'b']],
  ],
  ['a new pool takes the address of one that moves', [move('n', undefined, 1), move('a', 1, 2)], [], []],
  ['others are not concerned', [move('a', 1, 2), move('c', 3, 3)], [[2, 'b']], [['a', 'b']]],
  [
    'a blocked pool blocks the next in turn',
    [move('a', 1, 2), move('b', 2, 3), move('c', 3, 4)],
    [[4, 'd']],
    [
      ['c', 'd'],
      ['b', 'c'],
      ['a', 'b'],
    ],
  ],
  [
    'one of three that were to change in a circle could not be prepared',
    [move('a', 1, 2), move('b', 2, 3)],
    [[3, 'c']],
    [
      ['b', 'c'],
      ['a', 'b'],
    ],
  ],
] as readonly (readonly [string, Move[], [number, string][], [string, string][]])[])
  test(name, () => {
    assert.deepEqual([...blockedMoves(moves, new Map(holders))], expected);
  });

/** The rule as it is said: looks through all until nothing changes any more. */
function byRepetition(moves: readonly Move[], holders: ReadonlyMap<number, string>): Set<string> {
  const kept = new Map(holders);
  const blocked = new Set<string>();
  for (let before = -1; before !== blocked.size; ) {
    before = blocked.size;
    for (const { pool, from, to } of moves) {
      if (blocked.has(pool) || !kept.has(to)) continue;
      blocked.add(pool);
      if (from !== undefined) kept.set(from, pool);
    }
  }
  return blocked;
}

test('whatever moves, the blocked pools are those that the rule says, each after its holder', () => {
  const pools = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.record({
      to: fc.shuffledSubarray(
        Array.from({ length: 2 * count }, (_, fd) => fd),
        { minLength: count, maxLength: count },
      ),
      isNew: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
      isReady: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
    }),
  );
  fc.assert(
    fc.property(pools, ({ to, isNew, isReady }) => {
      const all = to.map((target, from) => move(`pool${from}`, isNew[from] ? undefined : from, target));
      const moves = all.filter((_, index) => isReady[index]);
      const holders = new Map(
        all.flatMap(({ pool, from }, index): [number, string][] =>
          isReady[index] || from === undefined ? [] : [[from, pool]],
        ),
      );
      const blocked = blockedMoves(moves, holders);
      assert.deepEqual(new Set(blocked.keys()), byRepetition(moves, holders));
      const settled = new Set(holders.values());
      for (const [pool, holder] of blocked) {
        assert.ok(settled.has(holder), `${holder} is told before ${pool}`);
        settled.add(pool);
      }
    }),
  );
});

test('4000 pools that are blocked one by the other are found in one pass', () => {
  const moves = Array.from({ length: 4000 }, (_, index) => move(`pool${index}`, index, index + 1));
  const start = performance.now();
  const blocked = blockedMoves(moves, new Map([[4000, 'last']]));
  assert.equal(blocked.size, 4000);
  assert.ok(performance.now() - start < 1000);
});
