import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { openSocketPair } from '../../../src/os/descriptor-passing.js';
import { nativeInt32 } from '../../../src/os/native-integers.js';
import { ERRAND_MAGIC } from '../../../src/zygote/control-frames.js';
import { decodeAnswer, runErrand } from '../../../src/zygote/errand.js';

const answer = (text: string, length = text.length) =>
  Buffer.concat([nativeInt32(ERRAND_MAGIC), nativeInt32(length), Buffer.from(text)]);

for (const [name, bytes, text] of [
  ['a whole one', answer('text'), 'text'],
  ['an empty one', answer(''), ''],
  ['nothing', Buffer.alloc(0), undefined],
  ['one that is cut', answer('text', 5), undefined],
  ['one with more behind it', answer('text', 3), undefined],
  ["php-cgi's own", Buffer.from('\x01\x06\x00\x01\x00\x10Status: 404'), undefined],
] as const)
  test(`an answer: ${name}`, () => {
    assert.equal(decodeAnswer(bytes)?.toString(), text);
  });

test('one that does not answer is asked to come to an end, and its last words count', async () => {
  const [ours, theirs] = openSocketPair();
  const errand = new Socket({ fd: theirs, allowHalfOpen: true });
  errand.resume();
  errand.on('end', () => errand.end(answer('late')));
  assert.equal((await runErrand(ours, 'x', 20))?.toString(), 'late');
});

test('one that does not answer then either is left to itself', async () => {
  const [ours, theirs] = openSocketPair();
  const errand = new Socket({ fd: theirs, allowHalfOpen: true });
  errand.on('error', () => {});
  assert.equal(await runErrand(ours, 'x', 20), undefined);
  errand.destroy();
});

test('one that ends without an answer is not waited for', async () => {
  const [ours, theirs] = openSocketPair();
  const errand = new Socket({ fd: theirs });
  const result = runErrand(ours, 'x', 60_000);
  errand.destroy();
  assert.equal(await result, undefined);
});

test('one that says more than any answer has is not listened to', async () => {
  const [ours, theirs] = openSocketPair();
  const errand = new Socket({ fd: theirs });
  errand.on('error', () => {});
  const more = () => {
    while (errand.writable && errand.write(Buffer.alloc(1 << 20)));
  };
  errand.on('drain', more);
  more();
  assert.equal(await runErrand(ours, 'x', 60_000), undefined);
  errand.destroy();
});
