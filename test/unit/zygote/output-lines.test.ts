import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OutputLines } from '../../../src/zygote/output-lines.js';

function linesOf(chunks: readonly (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const output = new OutputLines((line) => lines.push(line.toString('latin1')));
  for (const chunk of chunks) output.push(Buffer.from(chunk as string));
  output.end();
  return lines;
}

for (const [name, chunks, expected] of [
  ['one line', ['a\n'], ['a']],
  ['several lines at once', ['a\nb\nc\n'], ['a', 'b', 'c']],
  ['a line in pieces', ['a', 'b', 'c\nd'], ['abc', 'd']],
  ['empty lines are dropped', ['\n\na\n\n'], ['a']],
  ['the last line has no newline', ['a\nb'], ['a', 'b']],
  ['nothing', [], []],
  ['a carriage return is a byte like others', ['a\r\n'], ['a\r']],
] as const)
  test(name, () => assert.deepEqual(linesOf(chunks), expected));

test('a line without end is passed on in pieces of 16 KiB, and nothing is held beyond one', () => {
  const lines: number[] = [];
  const output = new OutputLines((line) => lines.push(line.length));
  for (let i = 0; i < 100; i++) output.push(Buffer.alloc(1000, 65));
  assert.deepEqual(lines, Array(6).fill(16_384));
  output.end();
  assert.deepEqual(lines.at(-1), 100_000 - 6 * 16_384);
});

test('no byte is lost or added, however the output is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), (chunks) => {
      const whole = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))).toString('latin1');
      assert.deepEqual(
        linesOf(chunks),
        whole.split('\n').filter((line) => line !== ''),
      );
    }),
  );
});

test('what was passed on does not change when the buffer is used again', () => {
  const lines: Buffer[] = [];
  const output = new OutputLines((line) => lines.push(Buffer.from(line)));
  const chunk = Buffer.from('held');
  output.push(chunk);
  chunk.fill(0);
  output.end();
  assert.equal(lines.join(), 'held');
});
