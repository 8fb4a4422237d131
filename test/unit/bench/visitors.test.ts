import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { describeVisit, visit } from '../../bench/visitors.js';

test('visitors open one page after the other, and what is not the page is a failure', async (t) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers['x-served-by']}`);
    if (request.url === '/gone') response.statusCode = 404;
    if (request.url === '/broken') response.destroy();
    else response.end('hello world');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  let left = 10;
  const result = await visit({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    headers: { 'X-Served-By': 'somebody' },
    pages: {
      good: { path: '/good', expect: 'world' },
      other: { path: '/good?other', expect: 'moon' },
      gone: { path: '/gone', expect: 'hello' },
      broken: { path: '/broken', expect: 'hello' },
    },
    visitors: 1,
    isOver: () => left-- === 0,
    signal: new AbortController().signal,
  });
  assert.deepEqual(
    asked.slice(0, 5),
    ['/good', '/good?other', '/gone', '/broken', '/good'].map((path) => `${path} somebody`),
  );
  assert.equal(result.timesMs.length, 3);
  assert.equal(result.timesByPage.get('good')?.length, 3);
  assert.deepEqual(describeVisit(result), [
    '3 of 10 requests failed: other: without "moon"',
    '2 of 10 requests failed: gone: status 404',
    '2 of 10 requests failed: broken: ECONNRESET',
  ]);
});
