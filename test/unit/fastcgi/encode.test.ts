import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.js';
import { FCGI_PARAMS, FCGI_STDIN, FCGI_STDOUT } from '../../../src/fastcgi/constants.js';
import { RecordDecoder } from '../../../src/fastcgi/decode.js';
import {
  encodeBeginRequest,
  encodeEndRequest,
  encodeParams,
  encodeRecord,
  encodeStream,
  encodeStreamEnd,
} from '../../../src/fastcgi/encode.js';
import { decodeParams } from '../../../src/fastcgi/params.js';
import { pair, record } from './naive-builder.js';

function decodeAll(bytes: Buffer) {
  return [...new RecordDecoder().push(bytes)];
}

describe('FastCGI encoder', () => {
  const cases: [promise: string, actual: Uint8Array, expected: number[]][] = [
    [
      'begins a request',
      encodeBeginRequest(258, { role: 1, flags: 1 }),
      record(1, 258, [0, 1, 1, 0, 0, 0, 0, 0]),
    ],
    ['ends a request that went well', encodeEndRequest(1), record(3, 1, [0, 0, 0, 0, 0, 0, 0, 0])],
    [
      'ends a request with both statuses',
      encodeEndRequest(1, { appStatus: 0xff00_0102, protocolStatus: 2 }),
      record(3, 1, [255, 0, 1, 2, 2, 0, 0, 0]),
    ],
    [
      'writes params in the order given and ends the stream',
      encodeParams(1, [
        ['A', 'b'],
        ['EMPTY', ''],
        ['Ü', new Uint8Array([0, 255])],
      ]),
      [
        ...record(4, 1, [...pair('A', 'b'), ...pair('EMPTY', ''), ...[2, 2, 0xc3, 0x9c, 0, 255]]),
        ...record(4, 1, []),
      ],
    ],
    [
      'writes lengths of 127 in one byte and of 128 in four',
      encodeParams(1, [
        ['n'.repeat(127), 'v'.repeat(128)],
        ['m'.repeat(128), 'v'.repeat(127)],
      ]),
      [
        ...record(4, 1, [
          ...pair('n'.repeat(127), 'v'.repeat(128)),
          ...pair('m'.repeat(128), 'v'.repeat(127)),
        ]),
        ...record(4, 1, []),
      ],
    ],
    ['writes no params as the end alone', encodeParams(1, []), record(4, 1, [])],
    [
      'pads where asked to',
      encodeRecord(6, 1, Buffer.from('abc'), 5),
      [...record(6, 1, [97, 98, 99])].map((byte, at) => (at === 6 ? 5 : byte)).concat([0, 0, 0, 0, 0]),
    ],
    ['ends a stream', encodeStreamEnd(FCGI_STDIN, 7), record(5, 7, [])],
  ];
  for (const [promise, actual, expected] of cases) it(promise, () => assert.deepEqual([...actual], expected));

  it('writes a long piece of a stream as full records without copying it', () => {
    const bytes = Buffer.alloc(65_535 * 2 + 10, 'x');
    const pieces = [...encodeStream(FCGI_STDOUT, 1, bytes)];
    assert.deepEqual(
      pieces.map((piece) => piece.length),
      [8, 65_535, 8, 65_535, 8, 10],
    );
    assert.equal(pieces[1]?.buffer, bytes.buffer);
    const contents = decodeAll(Buffer.concat(pieces)).map((rec) => rec.content);
    assert.ok(Buffer.concat(contents).equals(bytes));
  });

  it('writes nothing for an empty piece of a stream, which would end it', () => {
    assert.deepEqual([...encodeStream(FCGI_STDIN, 1, Buffer.alloc(0))], []);
  });

  it('sends the largest pair that fits a record, alone in it', () => {
    const value = 'v'.repeat(65_535 - 1 - 4 - 1);
    const records = decodeAll(
      encodeParams(1, [
        ['a', 'b'],
        ['N', value],
        ['c', 'd'],
      ]),
    );
    assert.deepEqual(
      records.map((rec) => rec.content.length),
      [4, 65_535, 4, 0],
    );
  });

  it('refuses a pair that does not fit a record, by name', () => {
    const value = 'v'.repeat(65_535 - 1 - 4);
    assert.throws(
      () => encodeParams(1, [['HTTP_COOKIE', value]]),
      (err) => {
        assert.ok(err instanceof ProtocolError);
        assert.match(err.message, /param HTTP_COOKIE takes 65546 bytes, a record holds 65535/);
        return true;
      },
    );
  });

  it('refuses numbers that a field cannot hold', () => {
    assert.throws(() => encodeRecord(6, 65_536, Buffer.alloc(0)), RangeError);
    assert.throws(() => encodeRecord(256, 1, Buffer.alloc(0)), RangeError);
    assert.throws(() => encodeRecord(6, 1, Buffer.alloc(65_536)), RangeError);
    assert.throws(() => encodeRecord(6, 1, Buffer.alloc(0), 256), RangeError);
  });

  it('keeps pairs whole and in order, however many there are', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 });
    const params = fc.array(fc.tuple(text, text), { maxLength: 400, size: 'max' });
    fc.assert(
      fc.property(params, (sent) => {
        const records = decodeAll(encodeParams(9, sent));
        assert.ok(records.every((rec) => rec.type === FCGI_PARAMS && rec.requestId === 9));
        assert.equal(records.at(-1)?.content.length, 0);
        assert.ok(records.slice(0, -1).every((rec) => rec.content.length > 0));
        const got = records.flatMap((rec) => decodeParams(rec.content));
        assert.deepEqual(
          got.map(({ name, value }) => [[...name], [...value]]),
          sent.map((parts) => parts.map((part) => [...Buffer.from(part)])),
        );
      }),
      { numRuns: 20 },
    );
  });
});
