import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns, type TurnsParts } from '../../../src/zygote/turns.js';
import { sleep, until } from '../../helpers/wait.js';

/** Items are how long they take, by a clock that goes on only with them. */
function open(parts: Partial<TurnsParts<number>> = {}) {
  let nowMs = 0;
  const done: number[] = [];
  const turns: number[] = [];
  let pauses = 0;
  let isPaused = false;
  const subject = new Turns<number>({
    work: (ms) => {
      nowMs += ms;
      done.push(ms);
    },
    charge: () => undefined,
    around: (turn) => {
      const before = nowMs;
      turn();
      turns.push(nowMs - before);
    },
    pause: () => {
      isPaused = true;
      pauses++;
    },
    resume: () => {
      isPaused = false;
    },
    nowMs: () => nowMs,
    ...parts,
  });
  return {
    subject,
    done,
    turns,
    get pauses() {
      return pauses;
    },
    get isPaused() {
      return isPaused;
    },
    pass(ms: number) {
      nowMs += ms;
    },
  };
}

test('a little is done at once, in its order', () => {
  const { subject, done, ...state } = open();
  subject.push([1, 0.5, 0.25]);
  assert.deepEqual(done, [1, 0.5, 0.25]);
  assert.equal(state.isPaused, false);
});

test('much is done in turns of a few milliseconds, and the sender is held up until it is', async () => {
  const state = open();
  const items = Array.from({ length: 100 }, (_, i) => 0.5 + i / 1000);
  state.subject.push(items);
  assert.ok(state.isPaused && state.done.length < 20);
  // What was on its way when it was paused has its place behind.
  state.subject.push([9]);
  await until('all is done', () => state.done.length === 101);
  assert.deepEqual(state.done, [...items, 9]);
  assert.ok(Math.max(...state.turns) <= 9.5, `turns of ${state.turns}`);
  assert.equal(state.isPaused, false);
});

test('what is charged rests when it has had its share, and goes on after that', async () => {
  const state = open({ charge: () => 0 });
  state.subject.push(Array.from({ length: 10 }, () => 2));
  const { length } = state.done;
  assert.ok(length < 10);
  await until('the credit is spent', () => state.done.length >= 5);
  await sleep(20); // its rest lasts longer than that by its own clock, which stands still
  assert.ok(state.done.length <= 8 && state.isPaused, `${state.done.length} done`);
  state.pass(1000);
  await until('it goes on', () => state.done.length === 10);
  await until('more is wanted', () => !state.isPaused);
});

test('what is cheap counts for what it is charged at least', async () => {
  const state = open({ charge: () => 1 });
  state.subject.push(Array.from({ length: 50 }, () => 0));
  await sleep(5);
  assert.equal(state.done.length, 10);
  state.subject.finish();
});

test('an item that fails does not keep those behind it from their turn', async () => {
  const done: string[] = [];
  const turns: Turns<string> = new Turns<string>({
    work: (item) => {
      if (item === 'bad') throw new Error('bad');
      done.push(item);
    },
    charge: () => undefined,
    around: (turn) => turn(),
    pause: () => {},
    resume: () => {},
  });
  assert.throws(() => turns.push(['a', 'bad', 'b']), /bad/);
  await until('the last is done', () => done.length === 2);
  assert.deepEqual(done, ['a', 'b']);
});

test('at the end the rest is done now, and nothing after it', () => {
  const { subject, done } = open({ charge: () => 5 });
  subject.push(Array.from({ length: 20 }, () => 1));
  assert.ok(done.length < 20);
  subject.finish();
  assert.equal(done.length, 20);
  subject.push([1]);
  assert.equal(done.length, 20);
});
