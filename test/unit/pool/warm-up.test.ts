import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WarmUp } from '../../../src/pool/warm-up.js';
import { LIST_SCRIPTS } from '../../../src/zygote/cached-scripts.js';

interface Asked {
  readonly expression: string;
  readonly patienceMs: number;
}

/** A generation whose errands take that long, and give that answer. */
function generation(clock: { ms: number }, answer: string | undefined, tookMs = 0, hasServed = true) {
  const asked: Asked[] = [];
  const errand = async (expression: string, patienceMs: number) => {
    asked.push({ expression, patienceMs });
    clock.ms += tookMs;
    return answer === undefined ? undefined : Buffer.from(answer);
  };
  return { asked, errand, hasServed };
}

const LISTED = '5 1 /a.php\x001 1 /b.php\0';

function parts() {
  const clock = { ms: 1000 };
  return { clock, warmUp: new WarmUp(() => clock.ms) };
}

test('what the old generation used most is compiled by the new one, in five seconds together', async () => {
  const { clock, warmUp } = parts();
  const old = generation(clock, LISTED, 200);
  const next = generation(clock, '1', 300);
  assert.deepEqual(await warmUp.run(next, old, 1), { scripts: 1, tookMs: 500 });
  assert.deepEqual(old.asked, [{ expression: LIST_SCRIPTS, patienceMs: 5000 }]);
  assert.equal(next.asked[0]?.patienceMs, 4800);
  assert.match(next.asked[0]?.expression ?? '', /\['\/a\.php'\]/);
});

test('nobody is asked where it is off, where nothing was served, or where nothing was used', async () => {
  for (const [most, answer, hasServed, asked] of [
    [0, LISTED, true, 0],
    [9, LISTED, false, 0],
    [9, '', true, 1],
  ] as const) {
    const { clock, warmUp } = parts();
    const old = generation(clock, answer, 0, hasServed);
    const next = generation(clock, '9');
    assert.equal(await warmUp.run(next, old, most), undefined);
    assert.equal(old.asked.length, asked);
    assert.equal(next.asked.length, 0);
  }
});

test('where the old generation has gone or does not answer, what an earlier one used counts', async () => {
  const { clock, warmUp } = parts();
  await warmUp.run(generation(clock, '2'), generation(clock, LISTED), 9);
  for (const old of [undefined, generation(clock, undefined)])
    assert.deepEqual(await warmUp.run(generation(clock, '2'), old, 9), { scripts: 2, tookMs: 0 });
});

test('nothing is compiled once the time is over', async () => {
  const { clock, warmUp } = parts();
  const next = generation(clock, '2');
  assert.equal(await warmUp.run(next, generation(clock, LISTED, 5000), 9), undefined);
  assert.equal(next.asked.length, 0);
});

for (const answer of ['1000', '-3', 'x', '', undefined])
  test(`a count of scripts is a claim: ${answer}`, async () => {
    const { clock, warmUp } = parts();
    const warmth = await warmUp.run(generation(clock, answer), generation(clock, LISTED), 9);
    assert.ok(warmth !== undefined && warmth.scripts >= 0 && warmth.scripts <= 2);
  });
