import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ProtocolError } from '../../../src/errors.js';
import { Heartbeat } from '../../../src/zygote/heartbeat.js';

function open(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const seen = { asked: 0, silent: 0 };
  const heartbeat = new Heartbeat({ ask: () => void seen.asked++, onSilent: () => void seen.silent++ });
  heartbeat.start();
  return { heartbeat, seen, after: (seconds: number) => t.mock.timers.tick(seconds * 1000) };
}

test('a zygote that answers is asked every five seconds, for ever', (t) => {
  const { heartbeat, seen, after } = open(t);
  for (let i = 1; i <= 100; i++) {
    after(5);
    assert.equal(seen.asked, i);
    assert.equal(heartbeat.onEchoed(), i);
  }
  assert.equal(seen.silent, 0);
});

test('one that does not answer is found silent at the second check after it was asked', (t) => {
  const { seen, after } = open(t);
  after(10);
  assert.deepEqual(seen, { asked: 2, silent: 0 });
  after(5);
  assert.deepEqual(seen, { asked: 2, silent: 1 });
});

test('an answer that comes late is one all the same', (t) => {
  const { heartbeat, seen, after } = open(t);
  after(10);
  heartbeat.onEchoed();
  after(5);
  assert.deepEqual(seen, { asked: 3, silent: 0 });
});

test('echoes are numbered in the order in which they were asked for, by whomever', (t) => {
  const { heartbeat, after } = open(t);
  assert.equal(heartbeat.ask(), 1);
  after(5);
  assert.equal(heartbeat.ask(), 3);
  assert.deepEqual([heartbeat.onEchoed(), heartbeat.onEchoed(), heartbeat.onEchoed()], [1, 2, 3]);
});

test('an answer that nobody asked for breaks the protocol', (t) => {
  const { heartbeat } = open(t);
  assert.throws(() => heartbeat.onEchoed(), ProtocolError);
});

test('after the end of the zygote nothing is asked', (t) => {
  const { heartbeat, seen, after } = open(t);
  heartbeat.stop();
  after(60);
  assert.deepEqual(seen, { asked: 0, silent: 0 });
});
