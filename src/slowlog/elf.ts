import { readUInt16, readUInt32, readUInt64 } from '../os/native-integers.js';
import type { Bytes } from '../units.js';

// elf(5). Only 64-bit files in this machine's byte order, since such programs run here. zygote/php-binary.ts reads
// headers of other machines' files, too, to say what is wrong with a php-cgi.

/** What a program's file says about where its variables are in memory. */
export interface ElfFile {
  /** True if the kernel chooses where it is loaded; otherwise it is loaded at the addresses in the file. */
  readonly isPositionIndependent: boolean;
  /** Address, in the file, of the segment that begins with the first byte of the file. */
  readonly firstAddress: number;
  /** Address of a variable, in the file; undefined if it has no such variable. */
  readonly symbolAddress: (name: string) => number | undefined;
}

/** Reads bytes of the file; fewer than `length` only at its end. */
export type FileRead = (position: number, length: Bytes) => Buffer;

const ELFCLASS64 = 2;
const ET_EXEC = 2;
const ET_DYN = 3;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const STT_OBJECT = 1;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
/** More than any PHP has; a file with a larger table is not read. */
const MOST_TABLE_BYTES: Bytes = 64 * 1024 * 1024;

/** The file cannot be read as a program; the message says why. */
export class ElfError extends Error {
  readonly code = 'ELF';
}

/** @throws ElfError, or whatever `read` throws */
export function parseElf(read: FileRead): ElfFile {
  const header = exactly(read, 0, HEADER_SIZE);
  if (header.toString('latin1', 0, 4) !== '\x7fELF') throw new ElfError('it is no ELF file');
  if (header[4] !== ELFCLASS64) throw new ElfError('it is no 64-bit ELF file');
  const type = readUInt16(header, 16);
  if (type !== ET_EXEC && type !== ET_DYN) throw new ElfError('it is no program');
  const tables = symbolTables(read, header);
  return {
    isPositionIndependent: type === ET_DYN,
    firstAddress: firstAddress(read, header),
    symbolAddress: (name) => {
      for (const table of tables) {
        const address = findSymbol(table, name);
        if (address !== undefined) return address;
      }
      return undefined;
    },
  };
}

interface SymbolTable {
  readonly symbols: Buffer;
  readonly names: Buffer;
}

function exactly(read: FileRead, position: number, length: Bytes): Buffer {
  if (!Number.isSafeInteger(position) || length > MOST_TABLE_BYTES) throw new ElfError('it is damaged');
  const bytes = read(position, length);
  if (bytes.length < length) throw new ElfError('it is cut off');
  return bytes;
}

function firstAddress(read: FileRead, header: Buffer): number {
  const count = readUInt16(header, 56);
  const table = exactly(read, Number(readUInt64(header, 32)), count * PROGRAM_HEADER_SIZE);
  for (let at = 0; at < table.length; at += PROGRAM_HEADER_SIZE)
    if (readUInt32(table, at) === PT_LOAD && readUInt64(table, at + 8) === 0n)
      return Number(readUInt64(table, at + 16));
  throw new ElfError('it has no segment of its beginning');
}

/** The dynamic symbol table, which strip(1) leaves, and the full one if the file still has it. */
function symbolTables(read: FileRead, header: Buffer): SymbolTable[] {
  const count = readUInt16(header, 60);
  const sections = exactly(read, Number(readUInt64(header, 40)), count * SECTION_HEADER_SIZE);
  const tables: SymbolTable[] = [];
  const content = (index: number): Buffer => {
    const at = index * SECTION_HEADER_SIZE;
    if (at + SECTION_HEADER_SIZE > sections.length) throw new ElfError('it is damaged');
    return exactly(read, Number(readUInt64(sections, at + 24)), Number(readUInt64(sections, at + 32)));
  };
  for (let index = 0; index < count; index++) {
    const type = readUInt32(sections, index * SECTION_HEADER_SIZE + 4);
    if (type !== SHT_DYNSYM && type !== SHT_SYMTAB) continue;
    const names = readUInt32(sections, index * SECTION_HEADER_SIZE + 40);
    tables.push({ symbols: content(index), names: content(names) });
  }
  return tables;
}

function findSymbol({ symbols, names }: SymbolTable, name: string): number | undefined {
  const wanted = Buffer.from(`${name}\0`, 'latin1');
  for (let at = 0; at + SYMBOL_SIZE <= symbols.length; at += SYMBOL_SIZE) {
    if (((symbols[at + 4] ?? 0) & 0xf) !== STT_OBJECT) continue;
    const start = readUInt32(symbols, at);
    if (!names.subarray(start, start + wanted.length).equals(wanted)) continue;
    const value = Number(readUInt64(symbols, at + 8));
    if (value !== 0 && Number.isSafeInteger(value)) return value;
  }
  return undefined;
}
