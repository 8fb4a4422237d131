import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMaps } from '../../../src/slowlog/maps.js';
import { BadMemory, Memory, PAGE_SIZE } from '../../../src/slowlog/memory.js';

const MAPS = `5613f1676000-5613f1753000 r--p 00000000 fe:00 2170887                    /usr/bin/php-cgi8.2
5613f1753000-5613f1a5a000 r-xp 000dd000 fe:00 2170887                    /usr/bin/php-cgi8.2
5613f1bc8000-5613f1bca000 rw-p 00551000 fe:00 2170887                    /usr/bin/php-cgi8.2
5613f1bca000-5613f1be8000 rw-p 00000000 00:00 0 
7f0000000000-7f0000001000 rw-p 00000000 00:35 77                         /mnt/fuse/trap (deleted)
7f0000001000-7f0000002000 ---p 00000000 00:00 0 
7f0000002000-7f0000004000 rw-s 00000000 00:01 1030                       /dev/zero (deleted)
7f0000004000-7f0000005000 r--p 00000000 fe:00 5 /usr/lib/x86_64-linux-gnu/libc.so.6
7ffe9e5ad000-7ffe9e5ce000 rw-p 00000000 00:00 0                          [stack]
7ffe9e5d0000-7ffe9e5d4000 r--p 00000000 00:00 0                          [vvar]
`;

test('only memory of PHP, of opcache and the program itself may be looked into', () => {
  const { regions, programStart } = parseMaps(MAPS, '/usr/bin/php-cgi8.2');
  assert.equal(programStart, 0x5613f1676000);
  assert.deepEqual(
    regions.map(({ start, end }) => `${start.toString(16)}-${end.toString(16)}`),
    [
      '5613f1676000-5613f1a5a000',
      '5613f1bc8000-5613f1be8000',
      '7f0000002000-7f0000004000',
      '7ffe9e5ad000-7ffe9e5ce000',
    ],
  );
  assert.equal(parseMaps(MAPS, '/usr/bin/other').programStart, undefined);
  assert.deepEqual(parseMaps('', '/x'), { regions: [], programStart: undefined });
});

test('a page is read once, and words may cross into the next', () => {
  const source = Buffer.alloc(3 * PAGE_SIZE);
  source.writeBigUInt64LE(0x1234_5678_9abcn, PAGE_SIZE - 3);
  let reads = 0;
  const memory = new Memory(
    (address, into) => {
      reads++;
      return source.copy(into, 0, address - PAGE_SIZE);
    },
    [{ start: PAGE_SIZE, end: 4 * PAGE_SIZE }],
  );
  assert.equal(memory.pointer(2 * PAGE_SIZE - 3), 0x1234_5678_9abc);
  source.fill(0);
  assert.equal(memory.pointer(2 * PAGE_SIZE - 3), 0x1234_5678_9abc, 'as it was at the first look');
  assert.equal(reads, 2);
});

test('nothing outside is read, nor what is gone meanwhile', () => {
  const memory = new Memory(() => {
    throw new Error('read');
  }, [
    { start: 8192, end: 12_288 },
    { start: 20_480, end: 24_576 },
  ]);
  for (const address of [0, 8191, 12_285, 12_288, 16_384, 24_569, 2 ** 47, -1, Number.NaN, 1e300])
    assert.throws(() => memory.pointer(address), BadMemory, String(address));
  const gone = new Memory(() => 100, [{ start: 8192, end: 12_288 }]);
  assert.throws(() => gone.u8(8192), BadMemory);
});

test('a chain through all of memory comes to an end', () => {
  const memory = new Memory((_address, into) => into.length, [{ start: 4096, end: 2 ** 40 }]);
  assert.throws(() => {
    for (let page = 1; ; page++) memory.u8(page * PAGE_SIZE);
  }, BadMemory);
});
