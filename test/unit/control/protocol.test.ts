import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ControlRequest,
  decodeMessage,
  decodeRequest,
  encodeMessage,
  encodeRequest,
  LineReader,
} from '../../../src/control/protocol.js';
import { ProtocolError } from '../../../src/errors.js';

const REQUESTS: readonly ControlRequest[] = [
  { verb: 'status' },
  { verb: 'live' },
  { verb: 'reload' },
  { verb: 'reopen' },
  { verb: 'upgrade' },
  { verb: 'upgraded' },
  { verb: 'test' },
  { verb: 'stop', kind: 'finish' },
  { verb: 'stop', kind: 'terminate' },
  { verb: 'stop', kind: 'kill' },
];

for (const request of REQUESTS) {
  test(`${Object.values(request).join(' ')} is read as it was written`, () =>
    assert.deepEqual(decodeRequest(encodeRequest(request).trimEnd()), request));
}

test('a request of one line may be written by hand', () => {
  assert.equal(encodeRequest({ verb: 'reload' }), '{"version":1,"verb":"reload"}\n');
  assert.deepEqual(decodeRequest('{"verb":"status"}'), { verb: 'status' });
});

const BAD_REQUESTS: readonly [line: string, reason: string][] = [
  ['', 'no JSON'],
  ['reload', 'no JSON'],
  ['null', 'no JSON object'],
  ['["reload"]', 'no JSON object'],
  ['{}', 'no such verb'],
  ['{"verb":"constructor"}', 'no such verb'],
  ['{"verb":["reload"]}', 'no such verb'],
  ['{"verb":"stop"}', 'no such kind of stop'],
  ['{"verb":"stop","kind":"__proto__"}', 'no such kind of stop'],
  ['{"version":2,"verb":"reload"}', 'this master speaks version 1 of the control protocol'],
];

for (const [line, reason] of BAD_REQUESTS) {
  test(`'${line}' is refused: ${reason}`, () =>
    assert.throws(() => decodeRequest(line), { code: 'PROTOCOL', message: reason }));
}

test('a result keeps what it says, and big numbers survive', () => {
  const data = { small: 5n, large: 2n ** 60n };
  const message = { result: { ok: false, exitCode: 78, lines: ['a', 'b'], data } };
  assert.deepEqual(decodeMessage(encodeMessage(message)), {
    result: { ...message.result, data: { small: 5, large: '1152921504606846976' } },
  });
  assert.deepEqual(decodeMessage(encodeMessage({ line: 'on the\nway' })), { line: 'on the\nway' });
});

test('a trace is of somebody, for a time, at a rate', () => {
  const read = (fields: object) =>
    decodeRequest(JSON.stringify({ verb: 'trace', target: 'www', hz: 99, ...fields }));
  assert.deepEqual(read({}), { verb: 'trace', target: 'www', hz: 99 });
  assert.deepEqual(read({ sampleMs: 1 }), { verb: 'trace', target: 'www', hz: 99, sampleMs: 1 });
  for (const fields of [
    { target: '' },
    { target: 5 },
    { target: 'x'.repeat(256) },
    { sampleMs: 0 },
    { sampleMs: '5' },
    { sampleMs: 600_001 },
    { sampleMs: null },
    { hz: 0 },
    { hz: 1001 },
    { hz: null },
  ])
    assert.throws(() => read(fields), ProtocolError, JSON.stringify(fields));
});

const RESULTS: readonly [ok: boolean, exitCode: unknown, read: number][] = [
  [true, 0, 0],
  [true, 5, 0],
  [false, 0, 1],
  [false, 78, 78],
  [false, 256, 1],
  [false, -1, 1],
  [false, 1.5, 1],
  [false, '78', 1],
  [false, undefined, 1],
];

for (const [ok, exitCode, read] of RESULTS) {
  test(`ok ${ok} with exit code ${exitCode} exits with ${read}`, () =>
    assert.deepEqual(decodeMessage(JSON.stringify({ result: { ok, exitCode, lines: [] } })), {
      result: { ok, exitCode: read, lines: [] },
    }));
}

test('half an answer is none', () => {
  for (const line of [
    '{}',
    '{"line":5}',
    '{"result":5}',
    '{"result":{"ok":true}}',
    '{"result":{"lines":[]}}',
  ])
    assert.throws(() => decodeMessage(line), ProtocolError, line);
});

test('endless explanations are cut', () => {
  const lines = Array.from({ length: 1200 }, () => 'x'.repeat(10_000));
  const decoded = decodeMessage(encodeMessage({ result: { ok: false, exitCode: 1, lines } }));
  assert.ok('result' in decoded);
  assert.equal(decoded.result.lines.length, 1001);
  assert.equal(decoded.result.lines[0]?.length, 8195);
  assert.equal(decoded.result.lines.at(-1), '... and 200 more');
});

test('lines are the same wherever the stream is cut', () => {
  const line = fc.string({ maxLength: 20, unit: 'grapheme' }).map((text) => text.replaceAll('\n', ''));
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 10 }),
      fc.array(fc.nat(50), { maxLength: 40 }),
      (lines, sizes) => {
        const reader = new LineReader(1000);
        let rest: Buffer = Buffer.from(lines.map((each) => `${each}\n`).join(''));
        const read: string[] = [];
        for (const size of [...sizes, rest.length]) {
          read.push(...reader.push(rest.subarray(0, size)));
          rest = rest.subarray(size);
        }
        assert.deepEqual(read, lines);
      },
    ),
    { numRuns: 200 },
  );
});

test('a line may have as many bytes as allowed, and no more, in one piece or in many', () => {
  assert.deepEqual(new LineReader(3).push(Buffer.from('abc\nd')), ['abc']);
  assert.throws(() => new LineReader(3).push(Buffer.from('abcd\n')), ProtocolError);
  const reader = new LineReader(3);
  reader.push(Buffer.from('ab'));
  assert.throws(() => reader.push(Buffer.from('cd')), ProtocolError);
});
