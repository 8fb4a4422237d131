import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FCGI_END_REQUEST, FCGI_STDOUT } from '../../../src/fastcgi/constants.js';
import { RecordDecoder } from '../../../src/fastcgi/decode.js';
import { ResponseParser } from '../../../src/fastcgi/response.js';
import { refusal, retryAfterS, wholeAnswer } from '../../../src/overload/refusal.js';

test('the answer is a whole one, with 503 and Retry-After, to the request that was asked', () => {
  const records = [...new RecordDecoder().push(wholeAnswer(513, refusal(7)))].map(
    ({ type, requestId, content }) => ({ type, requestId, content: Buffer.from(content) }),
  );
  assert.deepEqual(
    records.map(({ type, requestId }) => [type, requestId]),
    [
      [FCGI_STDOUT, 513],
      [FCGI_END_REQUEST, 513],
    ],
  );
  const parser = new ResponseParser();
  const body = parser.push(records[0]?.content ?? Buffer.alloc(0));
  const { status, reason, headers } = parser.end();
  assert.deepEqual([status, reason], [503, 'Service Unavailable']);
  assert.equal(new Headers(headers as [string, string][]).get('retry-after'), '7');
  assert.match(body.toString(), /^503 Service Unavailable: /);
});

test('Retry-After is as long as clients may wait, in whole seconds', () => {
  for (const [timeoutMs, seconds] of [
    [0, 5],
    [50, 1],
    [1000, 1],
    [1001, 2],
    [10_000, 10],
  ] as const)
    assert.equal(retryAfterS(timeoutMs), seconds);
});
