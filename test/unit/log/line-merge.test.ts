import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LineMerge, type LineSource } from '../../../src/log/line-merge.js';

const SETTLE_US = 20_000;
const LONGEST_WAIT_MS = 250;

/** A merge with a clock of its own that begins at `nowUs`; `written` is what came out, each write with its number of lines. */
function mergeAt(t: TestContext, nowUs: number) {
  t.mock.timers.enable({ apis: ['setImmediate', 'setTimeout'] });
  const written: [string, number][] = [];
  const clock = { nowUs };
  const merge = new LineMerge({
    write: (bytes, lines) => written.push([bytes.toString('latin1'), lines]),
    nowUs: () => clock.nowUs,
  });
  const pass = (ms: number) => {
    clock.nowUs += ms * 1000;
    t.mock.timers.tick(ms);
  };
  return { merge, written, clock, pass, text: () => written.map(([text]) => text).join('') };
}

function add(source: LineSource, text: string, endUs: number, encoding: 'latin1' | 'utf8' = 'latin1') {
  source.add({ endUs, text, encoding });
}

test('lines of several sources come out in the order of their ends, by one write', (t) => {
  const { merge, written, pass } = mergeAt(t, 1_000_000);
  const [one, two] = [merge.source(), merge.source()];
  for (const endUs of [10, 30, 50]) add(one, `${endUs} `, endUs);
  for (const endUs of [20, 40, 60]) add(two, `${endUs} `, endUs);
  assert.deepEqual(written, []);
  pass(0);
  assert.deepEqual(written, [['10 20 30 40 50 60 ', 6]]);
});

test('a line waits for a source that may have earlier ones, and for what has ended only now', (t) => {
  const { merge, text, pass } = mergeAt(t, 1_000_000);
  const [one, two] = [merge.source(), merge.source()];
  two.wake();
  one.wake();
  add(one, 'late ', 990_000);
  one.reach(1_000_000);
  pass(0);
  assert.equal(text(), '');
  add(two, 'early ', 980_000);
  two.reach(1_000_000);
  pass(0);
  assert.equal(text(), 'early ');
  one.sleep();
  two.sleep();
  pass(SETTLE_US / 1000);
  assert.equal(text(), 'early late ');
});

test('a source that sleeps holds up nobody', (t) => {
  const { merge, text, pass } = mergeAt(t, 1_000_000);
  merge.source();
  const source = merge.source();
  source.wake();
  add(source, 'line', 900_000);
  source.reach(1_000_000);
  pass(0);
  assert.equal(text(), 'line');
});

test('a source that never says how far it is holds up the others for a quarter of a second', (t) => {
  const { merge, text, pass } = mergeAt(t, 1_000_000);
  const [silent, other] = [merge.source(), merge.source()];
  silent.wake();
  add(other, 'line', 1_000_000);
  for (let ms = 0; ms < LONGEST_WAIT_MS; ms += 10) {
    assert.equal(text(), '');
    pass(10);
  }
  pass(20);
  assert.equal(text(), 'line');
});

test('an end in the future is taken for now, and one in the past only goes first', (t) => {
  const { merge, text, pass } = mergeAt(t, 1_000_000);
  const [liar, honest] = [merge.source(), merge.source()];
  add(liar, 'future ', 2 ** 64);
  add(liar, 'past ', 0);
  add(honest, 'true ', 900_000);
  pass(0);
  assert.equal(text(), 'past true ');
  add(honest, 'next ', 1_010_000);
  pass(SETTLE_US / 1000);
  pass(SETTLE_US / 1000);
  assert.equal(text(), 'past true future next ');
});

test('a clock that is set back holds nothing up', (t) => {
  const { merge, text, clock, pass } = mergeAt(t, 10_000_000);
  const source = merge.source();
  source.wake();
  source.reach(10_000_000);
  add(source, 'line', 10_000_000);
  pass(0);
  clock.nowUs = 1_000_000;
  for (let ms = 0; ms <= LONGEST_WAIT_MS + 40; ms += 20) pass(20);
  assert.equal(text(), 'line');
});

test('a flood is written once it is a megabyte, and nothing of it is lost', (t) => {
  const { merge, written, pass } = mergeAt(t, 1_000_000);
  const source = merge.source();
  source.wake();
  const line = `${'x'.repeat(959)}\n`;
  for (let n = 0; n < 2500; n++) add(source, line, 2_000_000);
  assert.equal(written.length, 2);
  source.sleep();
  pass(0);
  pass(40);
  assert.equal(
    written.reduce((sum, [, lines]) => sum + lines, 0),
    2500,
  );
});

test('each line keeps the encoding of its pool', (t) => {
  const { merge, written, pass } = mergeAt(t, 1_000_000);
  const source = merge.source();
  add(source, 'é', 1);
  add(source, 'é', 2, 'utf8');
  add(source, 'é', 3);
  pass(0);
  assert.deepEqual(written, [
    ['\xe9', 1],
    ['\xc3\xa9', 1],
    ['\xe9', 1],
  ]);
});

test('a flush writes what is held, in order', (t) => {
  const { merge, text } = mergeAt(t, 1_000_000);
  const source = merge.source();
  source.wake();
  add(source, 'b', 999_999);
  add(source, 'a', 999_998);
  merge.flush();
  assert.equal(text(), 'ab');
});
