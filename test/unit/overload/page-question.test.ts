import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageQuestion } from '../../../src/overload/page-question.js';

const CONFIG = { pingPath: '/ping', pmStatusPath: '/status' };

const ask = (params: Record<string, string>, config: typeof CONFIG | object = CONFIG) =>
  pageQuestion({ pingPath: undefined, pmStatusPath: undefined, ...config }, new Map(Object.entries(params)));

test('a request for a page is told from one for a script', () => {
  assert.deepEqual(ask({ SCRIPT_NAME: '/ping', REQUEST_METHOD: 'HEAD' }), {
    kind: 'ping',
    isHead: true,
    text: Buffer.alloc(0),
  });
  assert.deepEqual(ask({ SCRIPT_NAME: '/status', REQUEST_METHOD: 'GET', QUERY_STRING: 'json\xe9' }), {
    kind: 'status',
    isHead: false,
    text: Buffer.from('json\xe9', 'latin1'),
  });
  for (const params of [{ SCRIPT_NAME: '/ping/' }, { SCRIPT_NAME: '' }, {}])
    assert.equal(ask(params as Record<string, string>), undefined);
  assert.equal(ask({ SCRIPT_NAME: '/ping' }, {}), undefined);
  assert.equal(ask({ SCRIPT_NAME: '' }, { pingPath: '', pmStatusPath: '' }), undefined);
});
