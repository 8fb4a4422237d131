import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnexpectedEnd } from '../../../src/pool/back-off.js';
import { type Attempt, Recovery } from '../../../src/pool/recovery.js';

const MIDDLE = 0.5;
const AT_ONCE: UnexpectedEnd = { ageMs: 5, isInOrder: false, hasServed: false };
const CRASH: UnexpectedEnd = { ageMs: 5, isInOrder: false, hasServed: true };
const REQUEST_LIMIT: UnexpectedEnd = { ageMs: 5000, isInOrder: true, hasServed: true };
const SERVING: Attempt = { hasGeneration: true, isWaiting: false, nowMs: 100_000 };
const WAITING: Attempt = { ...SERVING, isWaiting: true };

/** What a pool goes through, and what it waits for after each step; undefined where the step does not wait. */
type Step = (recovery: Recovery) => number | undefined;
const ends =
  (end: UnexpectedEnd): Step =>
  (recovery) =>
    recovery.onWorkerEnded(end, MIDDLE);
const quiet =
  (act: (recovery: Recovery) => unknown): Step =>
  (recovery) => {
    act(recovery);
    return undefined;
  };
const zygoteFails: Step = (recovery) => recovery.onZygoteFailed();
const zygoteHolds = quiet((recovery) => recovery.onZygoteHeld());
const isReplaced = quiet((recovery) => recovery.onReplaced());
const isMended = quiet((recovery) => recovery.onCauseMended());
const forkRefused: Step = (recovery) => {
  recovery.onForkRefused('Resource temporarily unavailable (11)', 0);
  return recovery.nextForkDelay(MIDDLE);
};
const forks = quiet((recovery) => recovery.onForked());
const socketDies = quiet((recovery) => recovery.onSocket({ isDead: true }));
const retriesAt = (nowMs: number) => quiet((recovery) => recovery.onRetried(nowMs));

for (const [name, steps, delays] of [
  [
    'workers that reach their request limit are replaced at once',
    [ends(REQUEST_LIMIT), ends(REQUEST_LIMIT)],
    [0, 0],
  ],
  ['workers that crash on requests almost at once', [ends(CRASH), ends(CRASH)], [20, 20]],
  ['workers that do not start ever later', [ends(AT_ONCE), ends(AT_ONCE), ends(AT_ONCE)], [0, 100, 200]],
  [
    'one that has served ends a row of failures',
    [ends(AT_ONCE), ends(AT_ONCE), ends(CRASH), ends(AT_ONCE)],
    [0, 100, 20, 0],
  ],
  [
    'another generation begins anew',
    [ends(AT_ONCE), ends(AT_ONCE), isReplaced, ends(AT_ONCE)],
    [0, 100, undefined, 0],
  ],
  [
    'so does a socket that is mended',
    [ends(AT_ONCE), ends(AT_ONCE), isMended, ends(AT_ONCE)],
    [0, 100, undefined, 0],
  ],
  [
    'zygotes are started at once, then later up to 30 s',
    [zygoteFails, zygoteFails, zygoteFails, zygoteFails, zygoteFails, zygoteFails, zygoteFails],
    [0, 2000, 4000, 8000, 16_000, 30_000, 30_000],
  ],
  [
    'a zygote that holds is no failure any more',
    [zygoteFails, zygoteFails, zygoteHolds, zygoteFails],
    [0, 2000, undefined, 0],
  ],
  [
    'nor is one of the generation before',
    [zygoteFails, zygoteFails, isReplaced, zygoteFails],
    [0, 2000, undefined, 0],
  ],
  [
    'a mended socket does not make the zygote start',
    [zygoteFails, isMended, zygoteFails],
    [0, undefined, 2000],
  ],
  ['refused forks are tried again ever later', [forkRefused, forkRefused, forkRefused], [100, 200, 400]],
  ['until one succeeds', [forkRefused, forkRefused, forks, forkRefused], [100, 200, undefined, 100]],
  [
    'another generation is refused as the one before',
    [forkRefused, forkRefused, isReplaced, forkRefused],
    [100, 200, undefined, 400],
  ],
] as readonly (readonly [string, Step[], (number | undefined)[]])[])
  test(name, () => {
    const recovery = new Recovery();
    assert.deepEqual(
      steps.map((step) => step(recovery)),
      delays,
    );
  });

for (const [name, steps, attempt, trouble] of [
  ['nothing has failed', [], SERVING, undefined],
  ['one worker has failed to start', [ends(AT_ONCE)], WAITING, undefined],
  ['two workers have', [ends(AT_ONCE), ends(AT_ONCE)], WAITING, 'its workers end as soon as they start'],
  [
    'two workers have, and the next has just been started',
    [ends(AT_ONCE), ends(AT_ONCE), retriesAt(99_500)],
    SERVING,
    'its workers end as soon as they start',
  ],
  [
    'two workers have, and the next has lived since',
    [ends(AT_ONCE), ends(AT_ONCE), retriesAt(99_000)],
    SERVING,
    undefined,
  ],
  ['a fork was refused', [forkRefused], WAITING, 'fork() failed: Resource temporarily unavailable (11)'],
  ['a fork was refused, the next was not', [forkRefused, forks], WAITING, undefined],
  [
    'the zygote was lost',
    [zygoteFails],
    { ...WAITING, hasGeneration: false },
    'its zygote cannot be started',
  ],
  ['the zygote was lost, and there is another', [zygoteFails], SERVING, undefined],
  ['the listening socket is dead', [socketDies], SERVING, 'its listening socket was shut down'],
  ['another generation has another socket', [socketDies, isReplaced], SERVING, undefined],
  [
    'the zygote comes before all else',
    [forkRefused, socketDies, zygoteFails],
    { ...WAITING, hasGeneration: false },
    'its zygote cannot be started',
  ],
] as readonly (readonly [string, Step[], Attempt, string | undefined])[])
  test(`${name}: ${trouble === undefined ? 'no trouble' : `"${trouble}"`}`, () => {
    const recovery = new Recovery();
    for (const step of steps) step(recovery);
    assert.equal(recovery.trouble(attempt), trouble);
  });

test('a worker takes the place of one that has ended, each once', () => {
  const recovery = new Recovery();
  assert.equal(recovery.onForked(), false);
  recovery.onWorkerEnded(CRASH, MIDDLE);
  recovery.onWorkerEnded(CRASH, MIDDLE);
  assert.deepEqual(
    [1, 2, 3].map(() => recovery.onForked()),
    [true, true, false],
  );
  recovery.onWorkerEnded(CRASH, MIDDLE);
  recovery.onReplaced();
  assert.equal(recovery.onForked(), false);
});

test('that a socket is dead is news once', () => {
  const recovery = new Recovery();
  assert.equal(recovery.onSocket({ isDead: false }), false);
  assert.equal(recovery.onSocket({ isDead: true }), true);
  assert.equal(recovery.onSocket({ isDead: true }), false);
  assert.equal(recovery.hasDeadSocket, true);
  assert.equal(recovery.onSocket({ isDead: false }), true);
});
