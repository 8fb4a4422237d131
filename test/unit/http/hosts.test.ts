import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostRefusal } from '../../../src/http/hosts.js';

const isAnswered = (host: string | undefined, localAddress: string | undefined, allowed: string[] = []) =>
  hostRefusal({ host, localAddress }, allowed) === undefined;

for (const loopback of ['127.0.0.1', '127.9.8.7', '::1', '::ffff:127.0.0.1'])
  test(`on ${loopback} only addresses, localhost and named hosts are answered`, () => {
    for (const host of [
      'localhost',
      'LocalHost:9253',
      'localhost.',
      '127.0.0.1:9253',
      '10.0.0.1',
      '[::1]:9253',
    ])
      assert.ok(isAnswered(host, loopback), host);
    for (const host of [
      'attacker.example',
      'attacker.example:9253',
      'localhost.attacker.example',
      '127.0.0.1.attacker.example:80',
      '[attacker.example]',
      'attacker.example:localhost',
      'localhost:80:80',
      '@localhost',
      ' ',
    ])
      assert.ok(!isAnswered(host, loopback), host);
    assert.ok(isAnswered('Metrics.example.org:9253', loopback, ['metrics.example.ORG']));
    assert.ok(!isAnswered('x.metrics.example.org', loopback, ['metrics.example.org']));
  });

test('a request without a Host is no browser’s', () => {
  assert.ok(isAnswered(undefined, '127.0.0.1'));
  assert.ok(isAnswered('', '127.0.0.1'));
});

test('on other addresses any name is answered, unless some are named', () => {
  assert.ok(isAnswered('scraped.example.org', '192.0.2.1'));
  assert.ok(isAnswered('scraped.example.org', '192.0.2.1', ['scraped.example.org']));
  assert.ok(!isAnswered('other.example.org', '192.0.2.1', ['scraped.example.org']));
});

test('on a unix socket any name is answered', () => {
  assert.ok(isAnswered('anything', undefined, ['scraped.example.org']));
});

test('a refusal says what to do', () => {
  assert.equal(
    hostRefusal({ host: 'Attacker.example:80', localAddress: '127.0.0.1' }, []),
    "The host 'attacker.example' is not known here. Ask by address or as localhost, or name it in http.hosts.",
  );
});
