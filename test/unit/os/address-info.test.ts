import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveAddresses } from '../../../src/os/address-info.js';

test('takes numeric addresses of both families', () => {
  assert.deepEqual(resolveAddresses('127.0.0.1', '9000'), [
    { family: 'ipv4', host: '127.0.0.1', port: 9000 },
  ]);
  assert.deepEqual(resolveAddresses('::1', '80'), [{ family: 'ipv6', host: '::1', port: 80 }]);
});

test('gives each address of a name once', () => {
  const addresses = resolveAddresses('localhost', '9000');
  assert.ok(addresses.some((address) => address.family === 'ipv4' && address.host === '127.0.0.1'));
  assert.equal(new Set(addresses.map((address) => JSON.stringify(address))).size, addresses.length);
});

test('passes the words of the resolver on', () => {
  assert.throws(() => resolveAddresses('', '80'), {
    code: 'EAI_NONAME',
    syscall: 'getaddrinfo',
    reason: 'Name or service not known',
  });
  assert.throws(() => resolveAddresses('127.0.0.1', 'no-such-service'), { code: 'EAI_SERVICE' });
});
