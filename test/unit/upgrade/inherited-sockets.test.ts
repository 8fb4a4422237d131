import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSockets, encodeSockets, takeSockets } from '../../../src/upgrade/inherited-sockets.js';

test('a socket is its name and its descriptor', () => {
  const sockets = [
    { key: '/run/www.sock', fd: 7 },
    { key: '127.0.0.1:9000', fd: 8 },
    { key: '::1:9000', fd: 9 },
  ];
  assert.deepEqual(encodeSockets(sockets), {
    FPM_SOCKETS: '/run/www.sock=7,127.0.0.1:9000=8,::1:9000=9',
  });
});

test('none are no variable', () => {
  assert.deepEqual(encodeSockets([]), {});
  assert.deepEqual(decodeSockets({}), { sockets: [], unreadable: [] });
});

test('more than 128 go on in further variables, as php-fpm has it', () => {
  const sockets = Array.from({ length: 300 }, (_, index) => ({ key: `/s${index}`, fd: index + 3 }));
  const variables = encodeSockets(sockets);
  assert.deepEqual(Object.keys(variables), ['FPM_SOCKETS', 'FPM_SOCKETS_1', 'FPM_SOCKETS_2']);
  assert.equal(variables.FPM_SOCKETS?.split(',').length, 128);
  assert.deepEqual(decodeSockets(variables), { sockets, unreadable: [] });
});

test('more than the variables hold is an error', () => {
  const sockets = Array.from({ length: 128 * 256 + 1 }, (_, index) => ({ key: `${index}`, fd: index + 3 }));
  assert.throws(() => encodeSockets(sockets), RangeError);
});

test('what is written is read, whatever the paths hold', () => {
  const key = fc.string({ minLength: 1, unit: 'grapheme' });
  const sockets = fc
    .uniqueArray(key, { maxLength: 300 })
    .map((keys) => keys.map((each, index) => ({ key: each, fd: index + 3 })));
  fc.assert(
    fc.property(sockets, (list) => {
      assert.deepEqual(decodeSockets(encodeSockets(list)), { sockets: list, unreadable: [] });
    }),
    { numRuns: 50 },
  );
});

const UNREADABLE = ['x', '=3', '/a=', '/a=2', '/a=-1', '/a=3x', '/a=03', '/a= 3', '/a=12345678901'];

for (const entry of UNREADABLE) {
  test(`'${entry}' names no socket, and its neighbours do`, () => {
    assert.deepEqual(decodeSockets({ FPM_SOCKETS: `/b=4,${entry},,/c=5` }), {
      sockets: [
        { key: '/b', fd: 4 },
        { key: '/c', fd: 5 },
      ],
      unreadable: [entry],
    });
  });
}

test('a name or a descriptor counts once', () => {
  assert.deepEqual(decodeSockets({ FPM_SOCKETS: '/a=3,/a=4,/b=3' }), {
    sockets: [{ key: '/a', fd: 3 }],
    unreadable: ['/a=4', '/b=3'],
  });
});

test('garbage is never more than unreadable', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const { fd } of decodeSockets({ FPM_SOCKETS: text }).sockets)
        assert.ok(Number.isInteger(fd) && fd >= 3);
    }),
    { numRuns: 200 },
  );
});

test('taken variables are gone', () => {
  const environment = { FPM_SOCKETS: '/a=3', FPM_SOCKETS_1: '/b=4', FPM_SOCKETS_X: 'kept', PATH: '/bin' };
  assert.equal(takeSockets(environment).sockets.length, 2);
  assert.deepEqual(environment, { FPM_SOCKETS_X: 'kept', PATH: '/bin' });
});
