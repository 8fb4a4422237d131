import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import {
  checkPhpBinary,
  findPhpCgi,
  type ReadAt,
  reasonNotToPreload,
} from '../../../src/zygote/php-binary.js';

const folder = mkdtempSync('/tmp/tsfpm-binary-');
after(() => rmSync(folder, { recursive: true }));

interface Elf {
  readonly machine?: number;
  /** Path of the dynamic loader; undefined is a static program. */
  readonly loader?: string | undefined;
  readonly bits?: 32 | 64;
  readonly isLittle?: boolean;
  /** Where its table of segments is; default right behind the header. The loader's name follows it. */
  readonly tableAt?: number;
}

/** The head of an ELF program, byte by byte as elf(5) has it. */
function elf({ machine = 62, loader, bits = 64, isLittle = true, ...more }: Elf = {}): Buffer {
  const tableAt = more.tableAt ?? (bits === 64 ? 64 : 52);
  const head = Buffer.alloc(tableAt + 512);
  const u16 = (value: number, at: number) =>
    isLittle ? head.writeUInt16LE(value, at) : head.writeUInt16BE(value, at);
  const u32 = (value: number, at: number) =>
    isLittle ? head.writeUInt32LE(value, at) : head.writeUInt32BE(value, at);
  const word = (value: number, at: number) => {
    if (bits === 32) u32(value, at);
    else if (isLittle) head.writeBigUInt64LE(BigInt(value), at);
    else head.writeBigUInt64BE(BigInt(value), at);
  };
  head.write('\x7fELF', 'latin1');
  head[4] = bits === 64 ? 2 : 1;
  head[5] = isLittle ? 1 : 2;
  u16(machine, 18);
  const entrySize = bits === 64 ? 56 : 32;
  word(tableAt, bits === 64 ? 32 : 28);
  u16(entrySize, bits === 64 ? 54 : 42);
  u16(2, bits === 64 ? 56 : 44);
  u32(1, tableAt); // PT_LOAD
  if (loader !== undefined) {
    const at = tableAt + entrySize;
    u32(3, at); // PT_INTERP
    word(tableAt + 240, at + (bits === 64 ? 8 : 4));
    word(loader.length + 1, at + (bits === 64 ? 32 : 16));
    head.write(`${loader}\0`, tableAt + 240, 'latin1');
  }
  return head;
}

const GLIBC = '/lib64/ld-linux-x86-64.so.2';

const reader =
  (bytes: Buffer): ReadAt =>
  (position, size) =>
    bytes.subarray(position, position + size);

for (const [name, head, arch, reason] of [
  ['a glibc program of this machine', elf({ loader: GLIBC }), 'x64', undefined],
  [
    'an AArch64 program there',
    elf({ machine: 183, loader: '/lib/ld-linux-aarch64.so.1' }),
    'arm64',
    undefined,
  ],
  [
    'a big-endian program there',
    elf({ machine: 22, loader: '/lib/ld64.so.1', isLittle: false }),
    's390x',
    undefined,
  ],
  [
    'a 32-bit program there',
    elf({ machine: 40, loader: '/lib/ld-linux-armhf.so.3', bits: 32 }),
    'arm',
    undefined,
  ],
  [
    'a program whose headers were moved to its end',
    elf({ loader: GLIBC, tableAt: 3_000_000 }),
    'x64',
    undefined,
  ],
  [
    'a musl program whose headers were moved to its end',
    elf({ loader: '/lib/ld-musl-x86_64.so.1', tableAt: 3_000_000 }),
    'x64',
    /^it is built for musl/,
  ],
  ['a machine that we do not know', elf({ machine: 4711, loader: GLIBC }), 'mips', undefined],
  ['a script', Buffer.from('#!/bin/sh\n'), 'x64', undefined],
  ['a static program', elf(), 'x64', /^it is statically linked, so the runtime cannot be loaded into it/],
  [
    'a musl program',
    elf({ loader: '/lib/ld-musl-x86_64.so.1' }),
    'x64',
    /^it is built for musl \(\/lib\/ld-musl-x86_64\.so\.1\)/,
  ],
  [
    'another machine',
    elf({ machine: 183, loader: GLIBC }),
    'x64',
    /another machine \(AArch64; this one is x86-64\)/,
  ],
  [
    'an unheard-of machine',
    elf({ machine: 4711, loader: GLIBC }),
    'x64',
    /another machine \(type 4711; this one is x86-64\)/,
  ],
  [
    'a 32-bit program on a 64-bit machine',
    elf({ machine: 3, bits: 32, loader: '/lib/ld-linux.so.2' }),
    'x64',
    /another machine \(i386/,
  ],
  ['an empty file', Buffer.alloc(0), 'x64', /not a program/],
  ['a text', Buffer.from('not a program at all'), 'x64', /not a program/],
  ['a cut header', elf({ loader: GLIBC }).subarray(0, 40), 'x64', /not a program/],
] as const)
  test(`${name}: ${reason === undefined ? 'taken' : 'refused'}`, () => {
    const told = reasonNotToPreload(reader(head), arch);
    if (reason === undefined) assert.equal(told, undefined);
    else assert.match(told ?? '', reason);
  });

test('a header cut or changed anywhere gives an answer, never an exception', () => {
  const whole = elf({ loader: GLIBC });
  for (let length = 0; length < whole.length; length++)
    reasonNotToPreload(reader(whole.subarray(0, length)), 'x64');
  fc.assert(
    fc.property(fc.nat(400), fc.uint8Array({ minLength: 1, maxLength: 9 }), (at, bytes) => {
      const changed = Buffer.from(whole);
      Buffer.from(bytes).copy(changed, at);
      reasonNotToPreload(reader(changed), 'x64');
    }),
  );
});

test('the php-cgi of this machine is taken', () => {
  const binary = findPhpCgi(undefined, process.env.PATH);
  checkPhpBinary(binary);
  assert.equal(readFileSync(binary).subarray(1, 4).toString(), 'ELF');
});

test('a name is looked for on PATH, in its order, and must be executable', () => {
  for (const [place, mode] of [
    ['a', 0o644],
    ['b', 0o755],
    ['c', 0o755],
  ] as const) {
    mkdirSync(join(folder, place));
    writeFileSync(join(folder, place, 'my-php'), '#!/bin/sh\n');
    chmodSync(join(folder, place, 'my-php'), mode);
  }
  const path = ['a', 'b', 'c'].map((place) => join(folder, place)).join(':');
  assert.equal(findPhpCgi('my-php', path), join(folder, 'b', 'my-php'));
});

for (const [name, reason] of [
  [`${folder}/nothing`, 'No such file or directory (2)'],
  [folder, 'it is not a file'],
] as const)
  test(`${name.replace(folder, 'FOLDER')} is refused: ${reason}`, () => {
    assert.throws(() => findPhpCgi(name, ''), {
      name: 'PhpBinaryError',
      message: `php-cgi '${name}' cannot be used: ${reason}`,
    });
  });

test('a name that is nowhere is refused with the places that were looked at', () => {
  assert.throws(() => findPhpCgi('no-such-php', '/opt/php:relative:'), {
    message: /^php-cgi 'no-such-php' cannot be used: not found in \/opt\/php, \/usr\/local\/bin, /,
  });
});
