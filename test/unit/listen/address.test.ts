import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListenAddress } from '../../../src/listen/address.js';

const invalid = (port: string) => ({ kind: 'invalid', message: `invalid port value '${port}'` });
const tcp = (host: string | undefined, port: number) => ({ kind: 'tcp', host, port });
const unix = (path: string) => ({ kind: 'unix', path });

// Each line was given to php-fpm 8.2.
const cases: [string, object][] = [
  ['/run/www.sock', unix('/run/www.sock')],
  ['localhost', unix('localhost')],
  ['127.0.0.1', unix('127.0.0.1')],
  ['9000x', unix('9000x')],
  ['9000', tcp(undefined, 9000)],
  ['09000', tcp(undefined, 9000)],
  ['127.0.0.1:9000', tcp('127.0.0.1', 9000)],
  ['[::1]:9000', tcp('::1', 9000)],
  ['::1:9000', tcp('::1', 9000)],
  ['[::1:9000', tcp('[::1', 9000)],
  ['*:9000', tcp('*', 9000)],
  [':9000', tcp('', 9000)],
  ['127.0.0.1:+9000', tcp('127.0.0.1', 9000)],
  ['127.0.0.1: 9000', tcp('127.0.0.1', 9000)],
  ['/run/a:9000', tcp('/run/a', 9000)],
  ['localhost:1', tcp('localhost', 1)],
  ['localhost:65535', tcp('localhost', 65535)],
  ['localhost:65536', invalid('65536')],
  ['localhost:0', invalid('0')],
  ['localhost:-1', invalid('-1')],
  ['localhost:', invalid('')],
  ['/run/a:b', invalid('b')],
  ['::', invalid('')],
  ['0', invalid('0')],
  ['65536', invalid('65536')],
  ['99999999999999', invalid('99999999999999')],
  // php-fpm reads the number in front and leaves the rest to the resolver, which fails too.
  ['[::1]', invalid('1]')],
  ['127.0.0.1:9000x', invalid('9000x')],
];

for (const [text, expected] of cases) {
  test(`reads '${text}'`, () => assert.deepEqual(parseListenAddress(text), expected));
}
