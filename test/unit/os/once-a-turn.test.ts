import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { onceATurn } from '../../../src/os/once-a-turn.js';

test('asks once for each question in a turn of the event loop, and again in the next', async () => {
  const asked: string[] = [];
  const ask = onceATurn((name: string | undefined, number: number) => {
    asked.push(`${name} ${number}`);
    return asked.length;
  });
  assert.deepEqual([ask('a', 1), ask('a', 2), ask('a', 1), ask(undefined, 1), ask('', 1)], [1, 2, 1, 3, 4]);
  await Promise.resolve(); // still the same turn
  assert.equal(ask('a', 1), 1);
  await nextTurn();
  assert.equal(ask('a', 1), 5);
});

test('asks again after a question that threw or had no answer', () => {
  let count = 0;
  const ask = onceATurn((): string | undefined => {
    count++;
    if (count === 1) throw new Error('busy');
    return undefined;
  });
  assert.throws(ask, /busy/);
  assert.equal(ask(), undefined);
  assert.equal(ask(), undefined);
  assert.equal(count, 3);
});
