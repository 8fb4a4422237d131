import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.js';
import { decodeBeginRequest, decodeEndRequest, RecordDecoder } from '../../../src/fastcgi/decode.js';
import { pair, record } from './naive-builder.js';

type Plain = [type: number, id: number, content: number[]];

/** Feeds the chunks as a socket would: each in a buffer of its own. */
function decodeChunks(chunks: readonly (readonly number[])[]): Plain[] {
  const decoder = new RecordDecoder();
  const records: Plain[] = [];
  for (const chunk of chunks) {
    for (const { type, requestId, content } of decoder.push(Buffer.from(chunk)))
      records.push([type, requestId, [...content]]);
  }
  decoder.end();
  return records;
}

const conversation: Plain[] = [
  [1, 1, [0, 1, 0, 0, 0, 0, 0, 0]],
  [4, 1, pair('SCRIPT_NAME', '/a.php')],
  [4, 1, []],
  [5, 65_535, [1, 2, 3]],
  [99, 0, [7]],
  [3, 1, [0, 0, 0, 0, 0, 0, 0, 0]],
];

describe('FastCGI record decoder', () => {
  const bytes = conversation.flatMap(([type, id, content], at) => record(type, id, content, at % 3));

  it('gives the same records wherever the bytes are cut', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      assert.deepEqual(decodeChunks([bytes.slice(0, cut), bytes.slice(cut)]), conversation, `cut at ${cut}`);
    }
  });

  it('gives the same records byte by byte', () => {
    assert.deepEqual(decodeChunks(bytes.map((byte) => [byte])), conversation);
  });

  it('says whether the end lies between two records', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const decoder = new RecordDecoder();
      const whole = [...decoder.push(Buffer.from(bytes.slice(0, cut)))].length;
      const end = conversation
        .slice(0, whole)
        .flatMap(([type, id, content], at) => record(type, id, content, at % 3)).length;
      assert.equal(decoder.isAtRecordEnd, cut === end, `cut at ${cut}`);
      if (cut === end) {
        decoder.end();
      } else {
        assert.throws(() => decoder.end(), ProtocolError);
      }
    }
  });

  it('reads the largest record, with the largest padding', () => {
    const content = new Array<number>(65_535).fill(9);
    assert.deepEqual(decodeChunks([record(6, 1, content, 255), record(6, 1, [])]), [
      [6, 1, content],
      [6, 1, []],
    ]);
  });

  it('gives records as soon as they are whole, before their padding', () => {
    const decoder = new RecordDecoder();
    const padded = record(6, 1, [1, 2], 6);
    assert.equal([...decoder.push(Buffer.from(padded.slice(0, 10)))].length, 1);
    assert.equal(decoder.isAtRecordEnd, false);
  });

  it('refuses another version at its first byte', () => {
    for (const version of [0, 2, 0x16, 0x47]) {
      assert.throws(
        () => [...new RecordDecoder().push(Buffer.from([version]))],
        new ProtocolError(`expected FastCGI version 1, got ${version}`),
      );
    }
  });

  it('gives what came before a wrong version', () => {
    const decoder = new RecordDecoder();
    const records = decoder.push(Buffer.from([...record(5, 1, [1]), 0]));
    assert.deepEqual([...(records.next().value?.content ?? [])], [1]);
    assert.throws(() => records.next(), ProtocolError);
  });

  it('does not copy content that came in one chunk', () => {
    const chunk = Buffer.from(record(6, 1, [1, 2, 3]));
    const [first] = new RecordDecoder().push(chunk);
    assert.equal(first?.content.buffer, chunk.buffer);
  });

  it('gives the same records for any records and any cuts', () => {
    const plain = fc.record({
      type: fc.integer({ min: 0, max: 255 }),
      id: fc.integer({ min: 0, max: 65_535 }),
      content: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 }),
      padding: fc.integer({ min: 0, max: 255 }),
    });
    const cuts = fc.array(fc.nat({ max: 2000 }), { maxLength: 10 });
    fc.assert(
      fc.property(fc.array(plain, { maxLength: 8 }), cuts, (records, at) => {
        const all = records.flatMap(({ type, id, content, padding }) => record(type, id, content, padding));
        const bounds = [0, ...at.sort((a, b) => a - b), all.length];
        const chunks = bounds.slice(1).map((end, i) => all.slice(bounds[i], Math.max(end, bounds[i] ?? 0)));
        assert.deepEqual(
          decodeChunks(chunks),
          records.map(({ type, id, content }) => [type, id, content]),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('answers hostile bytes with records or a ProtocolError, and holds no more than they brought', () => {
    const chunk = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 10 }), fc.boolean(), (chunks, looksValid) => {
        const decoder = new RecordDecoder();
        let sent = 0;
        let got = 0;
        try {
          for (const [index, part] of chunks.entries()) {
            const bytes = Buffer.from(looksValid && index === 0 ? [1, ...part] : part);
            sent += bytes.length;
            for (const rec of decoder.push(bytes)) got += rec.content.length + 8;
          }
        } catch (err) {
          assert.ok(err instanceof ProtocolError, String(err));
        }
        assert.ok(got <= sent);
      }),
      { numRuns: 300 },
    );
  });
});

describe('FastCGI fixed bodies', () => {
  it('reads BEGIN_REQUEST', () => {
    assert.deepEqual(decodeBeginRequest(Buffer.from([1, 2, 255, 0, 0, 0, 0, 0])), {
      role: 258,
      flags: 255,
      keepsConnection: true,
    });
    assert.equal(decodeBeginRequest(Buffer.from([0, 1, 254, 0, 0, 0, 0, 0])).keepsConnection, false);
  });

  it('reads END_REQUEST', () => {
    assert.deepEqual(decodeEndRequest(Buffer.from([255, 0, 0, 1, 3, 9, 9, 9])), {
      appStatus: 0xff00_0001,
      protocolStatus: 3,
    });
  });

  it('refuses any length but eight', () => {
    for (const length of [0, 7, 9, 65_535]) {
      assert.throws(() => decodeBeginRequest(Buffer.alloc(length)), ProtocolError);
      assert.throws(() => decodeEndRequest(Buffer.alloc(length)), ProtocolError);
    }
  });
});
