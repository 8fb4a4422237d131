import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SocketAddress } from '../../../src/os/socket-address.js';
import { allowedClients } from '../../../src/overload/allowed-clients.js';

const ipv4 = (host: string): SocketAddress => ({ family: 'ipv4', host, port: 1 });
const ipv6 = (host: string): SocketAddress => ({ family: 'ipv6', host, port: 1 });

test('who is not in listen.allowed_clients is not allowed, in whatever form its address comes', () => {
  const isAllowed = allowedClients('127.0.0.1,::1,::ffff:10.0.0.9,fe80::1%eth0,nonsense, 10.0.0.8');
  for (const client of [
    ipv4('127.0.0.1'),
    ipv6('::ffff:127.0.0.1'),
    ipv6('::1'),
    ipv4('10.0.0.9'),
    ipv6('::ffff:10.0.0.9'),
    { family: 'unix', path: '' } as const,
  ])
    assert.equal(isAllowed(client), true, JSON.stringify(client));
  for (const client of [ipv4('127.0.0.2'), ipv6('::2'), ipv6('fe80::1'), ipv4('10.0.0.8'), undefined])
    assert.equal(isAllowed(client), false, JSON.stringify(client));
});

test('a list without an address allows nobody, and no list everybody', () => {
  for (const list of ['', 'nonsense']) assert.equal(allowedClients(list)(ipv4('127.0.0.1')), false);
  assert.equal(allowedClients(undefined)(ipv4('127.0.0.1')), true);
});
