import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { holdersText, listeningInodes, portHolders } from '../../../src/listen/address-holder.js';

/** proc(5), /proc/net/tcp */
const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0
   1: 0100007F:2328 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000 20 0 0 10 -1
   2: 00000000:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000 100 0 0 10 0
`;

test('of a table of sockets those that listen on a port are found', () => {
  assert.deepEqual(listeningInodes(TABLE, 9000), ['socket:[4711]']);
  assert.deepEqual(listeningInodes(TABLE, 9001), ['socket:[4713]']);
  assert.deepEqual([listeningInodes(TABLE, 80), listeningInodes('', 80)], [[], []]);
});

test('who listens is found, and whoever does not is not', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  assert.deepEqual(
    portHolders(port).map(({ pid }) => pid),
    [process.pid],
  );
  server.close();
  await once(server, 'close');
  assert.deepEqual(portHolders(port), []);
});

test('holders are named by pid and name', () => {
  assert.equal(
    holdersText([
      { pid: 7, name: 'sleep' },
      { pid: 8, name: 'nginx' },
    ]),
    'pid 7 (sleep), pid 8 (nginx)',
  );
  const many = Array.from({ length: 60 }, (_, index) => ({ pid: index + 2, name: 'php-cgi' }));
  assert.match(holdersText(many), /^pid 2 \(php-cgi\), .*, pid 5 \(php-cgi\), 56 more$/);
});
