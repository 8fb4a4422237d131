import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.js';
import { decodeCutParams, decodeParams, paramsByName } from '../../../src/fastcgi/params.js';
import { pair } from './naive-builder.js';

const texts = (params: Iterable<{ name: Buffer; value: Buffer }>) =>
  Array.from(params, ({ name, value }) => [name.toString('latin1'), value.toString('latin1')]);

describe('FastCGI params', () => {
  const sent = [
    ['REQUEST_METHOD', 'GET'],
    ['', ''],
    ['QUERY_STRING', ''],
    ['LONG', 'v'.repeat(200)],
    ['N'.repeat(128), 'w'],
  ] as const;
  const pairs = sent.map(([name, value]) => pair(name, value));
  const bytes = Buffer.from(pairs.flat());

  it('reads pairs of short and long names and values', () => {
    assert.deepEqual(texts(decodeParams(bytes)), sent);
  });

  it('refuses a cut inside a pair and accepts one between two', () => {
    const ends = new Set(pairs.map((_, at) => pairs.slice(0, at + 1).flat().length)).add(0);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const part = bytes.subarray(0, cut);
      if (ends.has(cut)) {
        decodeParams(part);
      } else {
        assert.throws(() => decodeParams(part), ProtocolError, `cut at ${cut}`);
      }
      assert.equal(decodeCutParams(part).isCut, !ends.has(cut), `cut at ${cut}`);
    }
  });

  it('gives of cut bytes all whole pairs, and the part of a value that is there', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const { params, isCut } = decodeCutParams(bytes.subarray(0, cut));
      const got = texts(params);
      const last = isCut ? got.length - 1 : got.length;
      assert.deepEqual(got.slice(0, Math.max(last, 0)), sent.slice(0, Math.max(last, 0)), `cut at ${cut}`);
      const [name, value] = got[last] ?? [];
      if (name !== undefined) {
        assert.equal(name, sent[last]?.[0]);
        assert.ok(sent[last]?.[1].startsWith(value ?? '?'));
      }
    }
  });

  it('believes no length beyond its bytes', () => {
    const huge = Buffer.from([0x80 | 0x7f, 255, 255, 255, 255, 255, 255, 255, 65]);
    assert.deepEqual(decodeCutParams(huge), { params: [], isCut: true });
    assert.throws(() => decodeParams(huge), ProtocolError);
  });

  it('never throws on cut hostile bytes, and gives no more than they hold', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (hostile) => {
        const { params } = decodeCutParams(Buffer.from(hostile));
        const held = params.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
        assert.ok(held + 2 * params.length <= hostile.length);
      }),
      { numRuns: 500 },
    );
  });

  it('reads 100,000 pairs', () => {
    const many = Buffer.concat(new Array(100_000).fill(Buffer.from(pair('A', 'b'))));
    assert.equal(decodeParams(many).length, 100_000);
  });

  it('keeps the last of a name sent twice, and hostile names as plain names', () => {
    const twice = Buffer.from([...pair('A', '1'), ...pair('__proto__', 'x'), ...pair('A', '2')]);
    assert.deepEqual(
      [...paramsByName(decodeParams(twice))],
      [
        ['A', '2'],
        ['__proto__', 'x'],
      ],
    );
  });
});
