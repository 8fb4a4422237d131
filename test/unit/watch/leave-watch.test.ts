import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SlotGlance } from '../../../src/scoreboard/scoreboard.js';
import { judgeLeaver, type Seen, type Verdict } from '../../../src/watch/leave-watch.js';

const ns = (ms: number) => BigInt(Math.round(ms * 1e6));

interface Told {
  readonly act: Verdict['act'];
  readonly atMs: number;
  readonly reason: string;
}

/** Looks every 250 ms at one that is to leave since 0; `says` is what its slot shows, times in ms. */
function watch(
  says: (atMs: number) => { stage: SlotGlance['stage']; startMs?: number; idleMs?: number } | undefined,
  { untilMs = 20_000, longestRequestMs = 0 } = {},
): Told[] {
  const told: Told[] = [];
  let seen: Seen | undefined;
  for (let atMs = 250; atMs <= untilMs; atMs += 250) {
    const said = says(atMs);
    const glance = said && {
      stage: said.stage,
      requestStartNs: ns(said.startMs ?? -1000),
      idleSinceNs: ns(said.idleMs ?? (said.stage === 'accepting' || said.stage === 'waiting' ? -500 : -1500)),
    };
    const verdict = judgeLeaver(seen, glance, { sinceNs: 0n }, ns(atMs), ns(longestRequestMs));
    seen = verdict.seen;
    if (verdict.act !== 'wait') told.push({ act: verdict.act, atMs, reason: verdict.reason });
    if (verdict.act === 'kill') break;
  }
  return told;
}

const summary = (told: readonly Told[]) => told.map(({ act, atMs }) => `${act} ${atMs}`);

test('who stays idle is told by SIGTERM, and killed after more than 2 s', () => {
  const told = watch(() => ({ stage: 'accepting' }));
  assert.deepEqual(summary(told), ['tell 500', 'kill 2750']);
  assert.equal(told[1]?.reason, 'has nothing in hand and did not leave within 2 s of SIGTERM');
  assert.deepEqual(summary(watch(() => ({ stage: 'waiting' }))), ['tell 500', 'kill 2750']);
});

test('who has a request in hand has all the time that it may take', () => {
  for (const stage of ['reading headers', 'info', 'executing', 'finished'] as const) {
    assert.deepEqual(
      watch(() => ({ stage }), { untilMs: 3_600_000 }),
      [],
    );
    assert.deepEqual(
      watch(() => ({ stage, startMs: 900 }), { untilMs: 3_600_000 }),
      [],
    );
  }
});

test('then it has its 2 s, from the moment it is idle', () => {
  const told = watch((atMs) => ({ stage: atMs < 5000 ? 'executing' : 'accepting' }));
  assert.deepEqual(summary(told), ['tell 5250', 'kill 7500']);
});

test('a kept-alive client that always has a next request is let be; it is let go at the end of one', () => {
  const told = watch((atMs) => ({ stage: 'waiting', startMs: atMs - 100, idleMs: atMs - 50 }), {
    untilMs: 1500,
  });
  assert.deepEqual(told, []);
});

test('who says again and again that it has just become idle is told, and killed, all the same', () => {
  const told = watch((atMs) => ({ stage: 'waiting', idleMs: atMs - 1 }));
  assert.deepEqual(summary(told), ['tell 2500', 'kill 4750']);
});

test('who takes one request after the other though it is to leave is killed', () => {
  const told = watch((atMs) => ({ stage: 'executing', startMs: atMs - 1, idleMs: atMs - 2 }));
  assert.deepEqual(summary(told), ['kill 10500']);
  assert.match(told[0]?.reason ?? '', /one request after the other/);
});

test('the next request of a kept-alive client is let be, however long the one before it took', () => {
  const says = (atMs: number) => ({ stage: 'executing', startMs: atMs < 60_000 ? -1000 : 60_001 }) as const;
  assert.deepEqual(watch(says, { untilMs: 3_600_000 }), []);
  const limits = { longestRequestMs: 60_000, untilMs: 119_000 };
  assert.deepEqual(watch(says, limits), [], 'it has its own request_terminate_timeout');
});

test('with request_terminate_timeout a second request that never ends is bounded by it, too', () => {
  const says = (atMs: number) => ({ stage: 'executing', startMs: atMs < 3000 ? -1000 : 2999 }) as const;
  assert.deepEqual(summary(watch(says, { longestRequestMs: 3000 })), ['kill 16250']);
});

test('who says nothing for 10 s is killed, and who is only just starting is not', () => {
  assert.deepEqual(summary(watch(() => undefined)), ['kill 10500']);
  assert.deepEqual(summary(watch(() => ({ stage: 'starting' }))), ['kill 10500']);
  const told = watch((atMs) => (atMs % 1000 === 0 ? { stage: 'executing' } : undefined));
  assert.deepEqual(told, [], 'one that writes at each look is busy, not silent');
});

test('who was idle and hangs while PHP shuts down is killed after 10 s', () => {
  const told = watch((atMs) =>
    atMs < 500 ? { stage: 'accepting' } : { stage: 'finished', startMs: -1000, idleMs: -500 },
  );
  assert.deepEqual(summary(told), ['kill 10750']);
  assert.match(told[0]?.reason ?? '', /nothing in hand and did not end/);
});

test('with request_terminate_timeout no leaver outlasts it, whatever it says; but after its answer it may go on', () => {
  const limits = { longestRequestMs: 3000 };
  assert.deepEqual(summary(watch(() => ({ stage: 'executing' }), limits)), ['kill 13250']);
  assert.deepEqual(
    watch(() => ({ stage: 'finished' }), limits),
    [],
  );
});
