import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer } from '../../../src/http/answer.js';
import { parseOpenMetrics } from '../status/openmetrics-parser.js';
import { HOSTILE_POOL } from '../status/sample.js';
import { fakeSource } from './fake-source.js';

const get = (target: string, accept?: string, source = fakeSource()) => {
  const given = answer(source, { method: 'GET', target, accept });
  return { ...given, body: typeof given.body === 'string' ? given.body : [...given.body].join('') };
};

test('/metrics speaks the format that is asked for', () => {
  const openmetrics = get('/metrics', 'application/openmetrics-text');
  assert.equal(
    openmetrics.headers['Content-Type'],
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
  );
  assert.equal(openmetrics.headers.Vary, 'Accept, Accept-Encoding');
  parseOpenMetrics(openmetrics.body);
  for (const accept of [undefined, '*/*', 'text/plain'])
    assert.equal(get('/metrics', accept).headers['Content-Type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.doesNotMatch(get('/metrics').body, /# EOF/);
});

test('/status is an object of the pools, with workers if asked', () => {
  const short = JSON.parse(get('/status').body);
  assert.deepEqual(Object.keys(short), ['www', HOSTILE_POOL.name]);
  assert.equal(short.www['accepted conn'], 4711);
  assert.equal(short.www.processes, undefined);
  for (const query of ['full', 'f', 'json&full=1']) {
    assert.equal(JSON.parse(get(`/status?${query}`).body).www.processes.length, 3);
  }
  assert.equal(get('/status').headers['Content-Type'], 'application/json');
});

test('/health answers whatever the pools do', () => {
  const { status, body } = get('/health');
  assert.deepEqual([status, body], [200, 'ok\n']);
});

test('/ready answers 503 and why while it is not', () => {
  assert.equal(get('/ready').status, 200);
  const source = fakeSource(() => ({ ready: false, reason: 'pool shop cannot\nstart workers' }));
  const { status, body } = get('/ready', undefined, source);
  assert.deepEqual([status, body], [503, 'pool shop cannot\ufffdstart workers\n']);
});

test('/ is a page, and with json what it shows', () => {
  const page = get('/');
  assert.equal(page.status, 200);
  assert.equal(page.headers['Content-Type'], 'text/html; charset=utf-8');
  assert.match(page.headers['Content-Security-Policy'] ?? '', /^default-src 'none'; /);
  assert.match(page.body, /^<!DOCTYPE html>/);
  assert.equal(get('/?anything').body, page.body);
  const { status, headers, body } = get('/?json&live');
  assert.deepEqual(
    [status, headers['Content-Type'], JSON.parse(body)],
    [200, 'application/json', { nowMs: 5, pools: [] }],
  );
});

test('everything else is not found', () => {
  for (const target of [
    '',
    '*',
    '//metrics',
    '/metrics/',
    '/METRICS',
    'http://x/metrics',
    '/status/../metrics',
  ]) {
    assert.equal(get(target).status, 404, target);
  }
});

test('only GET and HEAD are allowed', () => {
  const post = answer(fakeSource(), { method: 'POST', target: '/metrics', accept: undefined });
  assert.deepEqual([post.status, post.headers.Allow], [405, 'GET, HEAD']);
  assert.equal(answer(fakeSource(), { method: 'HEAD', target: '/health', accept: undefined }).status, 200);
});
