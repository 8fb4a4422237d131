import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeSocketAddress,
  encodeSocketAddress,
  type SocketAddress,
  socketAddressText,
  UNIX_PATH_MAX,
} from '../../../src/os/socket-address.js';

const forms: [SocketAddress, string][] = [
  [{ family: 'ipv4', host: '127.0.0.1', port: 9000 }, '020023287f0000010000000000000000'],
  [{ family: 'ipv6', host: '::', port: 1 }, `0a000001${'00'.repeat(24)}`],
  [{ family: 'ipv6', host: '::1', port: 65535 }, `0a00ffff00000000${'00'.repeat(15)}0100000000`],
  [
    { family: 'ipv6', host: '2001:db8::ff', port: 80 },
    `0a00005000000000${'20010db8'}${'00'.repeat(11)}ff00000000`,
  ],
  [
    { family: 'ipv6', host: '::ffff:1.2.3.4', port: 80 },
    `0a00005000000000${'00'.repeat(10)}ffff0102030400000000`,
  ],
  [{ family: 'unix', path: '/a' }, '01002f6100'],
];

for (const [address, hex] of forms) {
  test(`encodes and decodes ${socketAddressText(address)}`, () => {
    assert.equal(encodeSocketAddress(address).toString('hex'), hex);
    assert.deepEqual(decodeSocketAddress(Buffer.from(hex, 'hex')), address);
  });
}

test('keeps the zone of a link-local address', () => {
  const address: SocketAddress = { family: 'ipv6', host: 'fe80::1', port: 9, scopeId: 3 };
  assert.deepEqual(decodeSocketAddress(encodeSocketAddress(address)), address);
});

test('refuses a unix path that the kernel would cut', () => {
  const longest = `/${'x'.repeat(UNIX_PATH_MAX - 1)}`;
  assert.equal(encodeSocketAddress({ family: 'unix', path: longest }).length, 110);
  assert.throws(() => encodeSocketAddress({ family: 'unix', path: `${longest}x` }), { code: 'ENAMETOOLONG' });
  // Bytes count, not characters.
  assert.throws(() => encodeSocketAddress({ family: 'unix', path: `${longest.slice(1)}é` }), {
    code: 'ENAMETOOLONG',
  });
});

test('any IPv6 address survives the trip', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.integer({ min: 0, max: 65535 }),
      (host, port) => {
        const bytes = Buffer.alloc(28);
        bytes.writeUInt8(10, 0);
        bytes.writeUInt16BE(port, 2);
        bytes.set(host, 8);
        const address = decodeSocketAddress(bytes);
        assert.ok(address);
        assert.deepEqual(encodeSocketAddress(address), bytes);
      },
    ),
  );
});

test('any bytes decode to an address or to undefined', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 130 }), (bytes) => void decodeSocketAddress(Buffer.from(bytes))),
  );
});
