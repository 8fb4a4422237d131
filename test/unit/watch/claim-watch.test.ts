import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SlotGlance } from '../../../src/scoreboard/scoreboard.js';
import { contradiction, type Doubt, nextDoubt, type Observation } from '../../../src/watch/claim-watch.js';

const ns = (ms: number) => BigInt(ms) * 1_000_000n;

interface Says {
  readonly atMs: number;
  readonly stage?: SlotGlance['stage'];
  readonly startMs?: number;
  readonly idleMs?: number;
  readonly runMs?: number;
  readonly waitMs?: number;
  readonly holdsClient?: boolean;
}

/** A look at a worker that has been idle since 1 s, and was started long ago. */
function look({
  atMs,
  stage = 'accepting',
  startMs = 500,
  idleMs = 1000,
  runMs = 0,
  waitMs = 0,
  holdsClient = false,
}: Says): Observation {
  return {
    atNs: ns(atMs),
    glance: { stage, requestStartNs: ns(startMs), idleSinceNs: ns(idleMs) },
    processorTime: { runNs: ns(runMs), waitNs: ns(waitMs) },
    holdsClient,
  };
}

const between = (before: Omit<Says, 'atMs'>, after: Omit<Says, 'atMs'>) =>
  contradiction(look({ atMs: 11_000, ...after }), look({ atMs: 10_000, ...before }));

test('an honest worker is never contradicted', () => {
  assert.equal(between({}, {}), undefined, 'idle');
  assert.equal(
    between({ stage: 'waiting' }, { stage: 'waiting', runMs: 90, waitMs: 300 }),
    undefined,
    'kept alive',
  );
  assert.equal(between({}, { idleMs: 10_990, runMs: 900 }), undefined, 'it has served in between');
  assert.equal(between({}, { holdsClient: true, idleMs: 10_999 }), undefined, 'it has just taken the next');
  assert.equal(between({}, { stage: 'reading headers' }), undefined, 'a client without a first byte');
  for (const stage of ['reading headers', 'info', 'executing', 'finished'] as const)
    assert.equal(between({ stage, startMs: 1000 }, { stage, startMs: 1000, runMs: 1000 }), undefined, stage);
});

for (const [name, before, after, text] of [
  ['idle and computing', {}, { runMs: 100 }, 'says that it is idle, and is at work'],
  [
    'idle and computing on a full machine',
    {},
    { runMs: 20, waitMs: 480 },
    'says that it is idle, and is at work',
  ],
  [
    'waiting and computing',
    { stage: 'waiting' },
    { stage: 'waiting', runMs: 800 },
    'says that it is idle, and is at work',
  ],
  ['idle with a client', {}, { holdsClient: true }, "says that it is idle, and has a client's connection"],
  [
    'a request in the future',
    {},
    { stage: 'executing', startMs: 11_001 },
    'says that its request is yet to begin',
  ],
  [
    'a request before it was idle',
    {},
    { stage: 'executing' },
    'says that its request began before it was idle',
  ],
  [
    'the same silent client',
    { stage: 'reading headers' },
    { stage: 'reading headers' },
    'waits for the first byte of a client',
  ],
  ['a start that does not end', { stage: 'starting' }, { stage: 'starting' }, 'has not begun to serve'],
] as const)
  test(`${name}: a contradiction`, () => assert.equal(between(before, after), text));

test('a slot that cannot be read is one', () => {
  assert.equal(
    contradiction({ ...look({ atMs: 1 }), glance: undefined }, undefined),
    'cannot be read in the scoreboard',
  );
});

test('a doubt grows from the look before it, and one honest look ends it', () => {
  const looks = [1000, 2000, 3000].map((atMs) => look({ atMs, holdsClient: atMs > 1000 }));
  const doubts: (Doubt | undefined)[] = [];
  for (const [i, at] of looks.entries()) doubts.push(nextDoubt(doubts[i - 1], at, looks[i - 1]));
  assert.equal(doubts[0], undefined);
  assert.deepEqual(
    doubts.slice(1).map((doubt) => [doubt?.sinceNs, doubt?.checks]),
    [
      [ns(1000), 1],
      [ns(1000), 2],
    ],
  );
  assert.equal(nextDoubt(doubts[2], look({ atMs: 4000 }), looks[2]), undefined);
});
