import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ElfError, parseElf } from '../../../src/slowlog/elf.js';

interface Pieces {
  readonly type?: number;
  readonly symbols?: readonly { name: string; address: bigint; kind?: number }[];
  readonly firstAddress?: bigint;
}

/** The least that a program with a dynamic symbol table has. */
function elf({ type = 3, symbols = [], firstAddress = 0n }: Pieces = {}): Buffer {
  const names = Buffer.from(`\0${symbols.map(({ name }) => `${name}\0`).join('')}`);
  const table = Buffer.alloc(24 * (symbols.length + 1));
  let nameAt = 1;
  symbols.forEach(({ name, address, kind = 1 }, index) => {
    const at = 24 * (index + 1);
    table.writeUInt32LE(nameAt, at);
    table[at + 4] = 0x10 | kind;
    table.writeBigUInt64LE(address, at + 8);
    nameAt += name.length + 1;
  });
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 'latin1');
  header[4] = 2;
  header.writeUInt16LE(type, 16);
  const program = Buffer.alloc(56);
  program.writeUInt32LE(1, 0);
  program.writeBigUInt64LE(firstAddress, 16);
  const sections = Buffer.alloc(3 * 64);
  const sectionsAt = 64 + 56;
  const tableAt = sectionsAt + sections.length;
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(1, 56);
  header.writeBigUInt64LE(BigInt(sectionsAt), 40);
  header.writeUInt16LE(3, 60);
  sections.writeUInt32LE(11, 64 + 4);
  sections.writeBigUInt64LE(BigInt(tableAt), 64 + 24);
  sections.writeBigUInt64LE(BigInt(table.length), 64 + 32);
  sections.writeUInt32LE(2, 64 + 40);
  sections.writeUInt32LE(3, 128 + 4);
  sections.writeBigUInt64LE(BigInt(tableAt + table.length), 128 + 24);
  sections.writeBigUInt64LE(BigInt(names.length), 128 + 32);
  return Buffer.concat([header, program, sections, table, names]);
}

const parse = (file: Buffer) => parseElf((position, length) => file.subarray(position, position + length));
const GLOBALS = { name: 'executor_globals', address: 0x56ad00n };

test('a variable is found in the dynamic symbols', () => {
  const found = parse(
    elf({
      symbols: [
        { name: 'executor_globals_offset', address: 1n },
        { name: 'my_executor_globals', address: 2n },
        GLOBALS,
      ],
      firstAddress: 0x400000n,
    }),
  );
  assert.equal(found.symbolAddress('executor_globals'), 0x56ad00);
  assert.equal(found.symbolAddress('nothing'), undefined);
  assert.deepEqual([found.isPositionIndependent, found.firstAddress], [true, 0x400000]);
  assert.equal(parse(elf({ type: 2, symbols: [GLOBALS] })).isPositionIndependent, false);
});

test('a function, an undefined or a thread-local symbol of that name is none', () => {
  for (const symbol of [
    { ...GLOBALS, kind: 2 },
    { ...GLOBALS, kind: 6 },
    { ...GLOBALS, address: 0n },
    { ...GLOBALS, address: 2n ** 63n },
  ])
    assert.equal(parse(elf({ symbols: [symbol] })).symbolAddress('executor_globals'), undefined);
});

test('what is no 64-bit program is refused', () => {
  const small = elf();
  small[4] = 1;
  for (const file of [Buffer.from('#!/bin/sh\n'), Buffer.alloc(64), Buffer.alloc(0), small, elf({ type: 1 })])
    assert.throws(() => parse(file), ElfError);
});

test('a file that is cut or damaged anywhere is refused, or read without harm', () => {
  const whole = elf({ symbols: [GLOBALS] });
  for (let length = 0; length < whole.length - 1; length++)
    assert.throws(() => parse(whole.subarray(0, length)), ElfError, `cut at ${length}`);
  for (let at = 0; at < whole.length; at++)
    for (const byte of [0xff, 0x80, 0]) {
      const damaged = Buffer.from(whole);
      damaged[at] = byte;
      try {
        parse(damaged).symbolAddress('executor_globals');
      } catch (error) {
        assert.ok(error instanceof ElfError, `byte ${at}: ${error}`);
      }
    }
});
