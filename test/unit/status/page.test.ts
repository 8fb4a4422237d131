import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { StatusFormat } from '../../../src/status/choose.js';
import { encodeCgiPage, pingPage, renderStatus, statusPage } from '../../../src/status/page.js';
import { assertGolden } from './golden.js';
import { HOSTILE_POOL, POOL } from './sample.js';

const FORMATS: readonly StatusFormat[] = ['text', 'html', 'xml', 'json', 'openmetrics'];
const EXPIRES = ['Expires', 'Thu, 01 Jan 1970 00:00:00 GMT'];
const CACHE = ['Cache-Control', 'no-cache, no-store, must-revalidate, max-age=0'];

before(() => {
  process.env.TZ = 'UTC';
});

for (const format of FORMATS) {
  for (const full of [false, true]) {
    const file = `${full ? 'full' : 'short'}.${format}`;
    test(`the ${full ? 'full' : 'short'} ${format} page is the golden one`, () => {
      assertGolden(file, renderStatus(POOL, { format, full }));
    });
    test(`hostile values do no harm in the ${full ? 'full' : 'short'} ${format} page`, () => {
      assertGolden(`hostile-${file}`, renderStatus(HOSTILE_POOL, { format, full }));
    });
  }
  test(`the memory peak of php-fpm 8.4 comes last in ${format}`, () => {
    assertGolden(
      `memory-peak.${format}`,
      renderStatus(POOL, { format, full: false }, { hasMemoryPeak: true }),
    );
  });
}

describe('headers', () => {
  const headersOf = (query: string, settings = {}) =>
    statusPage(POOL, { method: 'GET', query }, settings).headers;

  test('end with the type, whose name shows whether PHP added the charset', () => {
    assert.deepEqual(headersOf(''), [EXPIRES, CACHE, ['Content-type', 'text/plain;charset=UTF-8']]);
    assert.deepEqual(headersOf('json').at(-1), ['Content-Type', 'application/json']);
    assert.deepEqual(headersOf('html', { charset: '' }).at(-1), ['Content-Type', 'text/html']);
    assert.deepEqual(headersOf('xml', { charset: 'ISO-8859-1' }).at(-1), [
      'Content-type',
      'text/xml;charset=ISO-8859-1',
    ]);
  });

  test('begin with X-Powered-By where PHP exposes itself', () => {
    assert.deepEqual(headersOf('', { poweredBy: 'PHP/8.2.36' })[0], ['X-Powered-By', 'PHP/8.2.36']);
  });

  test('of HEAD are the same for all formats, and there is no body', () => {
    for (const query of ['', 'json', 'xml&full']) {
      assert.deepEqual(statusPage(POOL, { method: 'HEAD', query }), {
        status: 200,
        headers: [EXPIRES, CACHE, ['Content-type', 'text/html; charset=UTF-8']],
        body: '',
      });
    }
    assert.notEqual(statusPage(POOL, { method: 'head', query: '' }).body, '');
    const { headers } = statusPage(POOL, { method: 'HEAD', query: '' }, { mimetype: 'x/y' });
    assert.deepEqual(headers.at(-1), ['Content-type', 'x/y']);
  });
});

test('ping answers with its type first', () => {
  const page = pingPage('pong', { method: 'GET' });
  assert.deepEqual(page, {
    status: 200,
    headers: [['Content-type', 'text/plain;charset=UTF-8'], EXPIRES, CACHE],
    body: 'pong',
  });
  assert.equal(pingPage('pong', { method: 'HEAD' }).body, '');
});

test('a page as a CGI answer tells its status only where it is not 200', () => {
  const ping = encodeCgiPage(pingPage(Buffer.of(0xff), { method: 'GET' }));
  assert.equal(
    ping.toString('latin1'),
    `Content-type: text/plain;charset=UTF-8\r\n${EXPIRES.join(': ')}\r\n${CACHE.join(': ')}\r\n\r\n\xff`,
  );
});

describe('hostile values', () => {
  const full = (format: StatusFormat) => renderStatus(HOSTILE_POOL, { format, full: true });

  test('leave the json page valid, and come back from it', () => {
    const page = JSON.parse(full('json'));
    assert.equal(page.pool, HOSTILE_POOL.name);
    assert.equal(page.processes.length, 1);
    assert.equal(page.processes[0].user, HOSTILE_POOL.processes[0]?.user.toString());
  });

  test('add no line to the text page', () => {
    const harmless = renderStatus(
      { ...POOL, processes: POOL.processes.slice(0, 1) },
      { format: 'text', full: true },
    );
    assert.equal(full('text').split(/[\r\n\v\f\u0085\u2028\u2029]/).length, harmless.split('\n').length);
  });

  test('add no tag to the html and xml pages', () => {
    const pool = { ...POOL, processes: POOL.processes.slice(0, 1) };
    const tags = (page: string) => page.match(/<[^>]*>/g);
    for (const format of ['html', 'xml'] as const) {
      assert.deepEqual(tags(full(format)), tags(renderStatus(pool, { format, full: true })));
    }
  });

  test('add no line to the openmetrics page', () => {
    const harmless = renderStatus(POOL, { format: 'openmetrics', full: false });
    assert.equal(full('openmetrics').split('\n').length, harmless.split('\n').length);
  });

  test('of numbers are digits in range', () => {
    for (const format of FORMATS) assert.doesNotMatch(full(format), /\de\+|NaN|Infinity|undefined|\[object/);
  });
});
