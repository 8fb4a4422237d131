import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** A php-cgi that cannot be used, and why: both are in the message. */
export class PhpBinaryError extends Error {
  readonly code = 'PHP_BINARY';

  constructor(binary: string, reason: string) {
    super(`php-cgi '${binary}' cannot be used: ${reason}`);
    this.name = 'PhpBinaryError';
  }
}

const DEFAULT_NAME = 'php-cgi';
/** Where to look when PATH is short, as under systemd or cron. */
const USUAL_PLACES = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin'];

// elf(5)
const ELF_MAGIC = 0x7f454c46;
const ELF_MACHINES: Record<string, { number: number; name: string }> = {
  x64: { number: 62, name: 'x86-64' },
  arm64: { number: 183, name: 'AArch64' },
  arm: { number: 40, name: 'ARM' },
  ia32: { number: 3, name: 'i386' },
  riscv64: { number: 243, name: 'RISC-V' },
  loong64: { number: 258, name: 'LoongArch' },
  ppc64: { number: 21, name: 'PowerPC64' },
  s390x: { number: 22, name: 'S/390' },
};
const PT_INTERP = 3;
const LARGEST_HEADER_TABLE = 64 * 1024;
const LONGEST_LOADER_PATH = 4096;
const ELF_HEADER_SIZE = 64;

/** Bytes of a file; fewer than `size` at its end, none behind it. */
export type ReadAt = (position: number, size: number) => Buffer;

/**
 * The php-cgi that `php_cgi` names: a path, or a name to look for on PATH.
 *
 * @param name undefined is the default, `php-cgi`
 * @throws PhpBinaryError where there is none that can be run
 */
export function findPhpCgi(name: string | undefined, searchPath: string | undefined): string {
  const wanted = name ?? DEFAULT_NAME;
  if (wanted.includes('/')) {
    const reason = reasonNotToRun(wanted);
    if (reason !== undefined) throw new PhpBinaryError(wanted, reason);
    return wanted;
  }
  const places = [...(searchPath ?? '').split(delimiter).filter(isAbsolute), ...USUAL_PLACES];
  const found = places.map((place) => join(place, wanted)).find((path) => reasonNotToRun(path) === undefined);
  if (found === undefined)
    throw new PhpBinaryError(
      wanted,
      `not found in ${[...new Set(places)].join(', ')}; ` +
        'install it (on Debian: apt-get install php-cgi) or name it in php_cgi',
    );
  return found;
}

function reasonNotToRun(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return 'it is not a file';
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES'
      ? 'Permission denied (13)'
      : 'No such file or directory (2)';
  }
}

/**
 * Whether the runtime can be loaded into this binary: it must be a dynamic program of this machine's type and C
 * library. A script is taken for a wrapper, which passes everything on to a php-cgi.
 *
 * @throws PhpBinaryError with the reason
 */
export function checkPhpBinary(path: string): void {
  const fd = openSync(path, 'r');
  try {
    const reason = reasonNotToPreload((position, size) => readAt(fd, position, size), process.arch);
    if (reason !== undefined) throw new PhpBinaryError(path, reason);
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, position: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  return bytes.subarray(0, readSync(fd, bytes, 0, size, position));
}

/**
 * Pure but for `read`: a program file in, a reason why the runtime cannot be preloaded out. Headers and the loader's
 * name may be anywhere in it: tools that give a program other libraries move them to its end.
 */
export function reasonNotToPreload(read: ReadAt, arch: string): string | undefined {
  const head = read(0, ELF_HEADER_SIZE);
  if (head.length >= 2 && head.toString('latin1', 0, 2) === '#!') return undefined;
  if (head.length < ELF_HEADER_SIZE || head.readUInt32BE(0) !== ELF_MAGIC)
    return 'it is not a program (no ELF header)';
  const isWide = head[4] === 2;
  const isLittle = head[5] === 1;
  const u16 = (bytes: Buffer, at: number) => (isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (bytes: Buffer, at: number) => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const word = (bytes: Buffer, at: number) =>
    isWide ? Number(isLittle ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)) : u32(bytes, at);
  const piece = (position: number, size: number, most: number) =>
    Number.isSafeInteger(position) ? read(position, Math.min(size, most)) : Buffer.alloc(0);

  const wanted = ELF_MACHINES[arch];
  const machine = u16(head, 18);
  if (wanted !== undefined && machine !== wanted.number) {
    const name =
      Object.values(ELF_MACHINES).find(({ number }) => number === machine)?.name ?? `type ${machine}`;
    return `it is built for another machine (${name}; this one is ${wanted.name})`;
  }

  const entrySize = u16(head, isWide ? 54 : 42);
  const entryCount = u16(head, isWide ? 56 : 44);
  const table = piece(word(head, isWide ? 32 : 28), entryCount * entrySize, LARGEST_HEADER_TABLE);
  for (let i = 0; i < entryCount; i++) {
    const at = i * entrySize;
    if (at + (isWide ? 56 : 32) > table.length) break;
    if (u32(table, at) !== PT_INTERP) continue;
    const offset = word(table, at + (isWide ? 8 : 4));
    const size = word(table, at + (isWide ? 32 : 16));
    const loader = piece(offset, size, LONGEST_LOADER_PATH).toString('latin1').replace(/\0.*$/s, '');
    return loader.includes('musl')
      ? `it is built for musl (${loader}), the runtime for glibc; run tsfpm on a glibc system's php-cgi`
      : undefined;
  }
  return 'it is statically linked, so the runtime cannot be loaded into it; use a dynamically linked build';
}
