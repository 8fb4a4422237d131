import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtocolError } from '../../../src/errors.js';
import { type RequestHead, RequestReader } from '../../../src/fastcgi/request-reader.js';
import { pair, record } from './naive-builder.js';

const begin = (id: number, flags: number) => record(1, id, [0, 1, flags, 0, 0, 0, 0, 0], 0);

const TWO_REQUESTS = [
  ...begin(1, 1),
  ...record(4, 1, pair('SCRIPT_NAME', '/a.php'), 3),
  ...record(4, 9, pair('SCRIPT_NAME', '/of-another-request.php'), 0),
  ...record(4, 1, pair('QUERY_STRING', 'x=1'), 0),
  ...record(4, 1, [], 0),
  ...record(5, 1, [1, 2, 3], 0),
  ...record(5, 1, [], 0),
  ...begin(513, 0),
  ...record(4, 513, [], 5),
];

function read(chunks: readonly (readonly number[])[]) {
  const requests: RequestHead[] = [];
  const reader = new RequestReader((request) => requests.push(request));
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  return requests.map(({ id, keepsConnection, params }) => [id, keepsConnection, Object.fromEntries(params)]);
}

describe('FastCGI request reader', () => {
  it('gives the heads of requests, wherever the bytes are cut', () => {
    for (let cut = 0; cut <= TWO_REQUESTS.length; cut++)
      assert.deepEqual(
        read([TWO_REQUESTS.slice(0, cut), TWO_REQUESTS.slice(cut)]),
        [
          [1, true, { SCRIPT_NAME: '/a.php', QUERY_STRING: 'x=1' }],
          [513, false, {}],
        ],
        `cut at ${cut}`,
      );
  });

  it('tells which request is not whole yet', () => {
    const reader = new RequestReader(() => {});
    assert.equal(reader.pendingId, undefined);
    reader.push(Buffer.from(begin(7, 0)));
    assert.equal(reader.pendingId, 7);
    reader.push(Buffer.from(record(4, 7, [], 0)));
    assert.equal(reader.pendingId, undefined);
  });

  it('refuses what is no FastCGI, and more parameters than it holds', () => {
    assert.throws(() => read([[71, 69, 84]]), ProtocolError);
    const many = record(4, 1, new Array(40_000).fill(0), 0);
    assert.throws(() => read([begin(1, 0), many, many]), ProtocolError);
  });
});
