import { readUInt32, readUInt64 } from '../os/native-integers.js';
import type { Bytes, Count } from '../units.js';

/**
 * The memory does not hold what it should: it has changed meanwhile, or a script has written something false on
 * purpose.
 */
export class BadMemory extends Error {
  readonly code = 'BAD_MEMORY';
}

/** A range of addresses, the end not included. */
export interface Region {
  readonly start: number;
  readonly end: number;
}

/** Fills the buffer from an address on. @returns bytes that were there */
export type MemoryRead = (address: number, into: Buffer) => Bytes;

export const PAGE_SIZE: Bytes = 4096;
/** A stack takes a few dozen pages; false pointers must not make the master read all of a process. */
const MOST_PAGES: Count = 4096;
/** The end of user space on 64-bit Linux; a double holds such numbers exactly. */
const HIGHEST_ADDRESS = 2 ** 48;

/**
 * Another process's memory. Each page is read once and kept, so that reading an address twice gives the same bytes. The
 * contents are hostile: every address is checked before it is read.
 */
export class Memory {
  readonly #read: MemoryRead;
  readonly #regions: readonly Region[];
  readonly #pages = new Map<number, Buffer>();

  /** @param regions that may be read, sorted by address */
  constructor(read: MemoryRead, regions: readonly Region[]) {
    this.#read = read;
    this.#regions = regions;
  }

  /** @throws BadMemory */
  u8(address: number): number {
    return this.bytes(address, 1)[0] ?? 0;
  }

  /** @throws BadMemory */
  u32(address: number): number {
    return readUInt32(this.bytes(address, 4), 0);
  }

  /** @returns an address; 0 is the null pointer. @throws BadMemory if the word is no address */
  pointer(address: number): number {
    const word = Number(readUInt64(this.bytes(address, 8), 0));
    if (word >= HIGHEST_ADDRESS) throw new BadMemory('a word that is no address');
    return word;
  }

  /** A word that is only compared. */
  word(address: number): bigint {
    return readUInt64(this.bytes(address, 8), 0);
  }

  /** @throws BadMemory */
  bytes(address: number, length: Bytes): Buffer {
    if (!this.#isAllowed(address, address + length)) throw new BadMemory('an address outside');
    const page = Math.floor(address / PAGE_SIZE);
    const offset = address - page * PAGE_SIZE;
    if (offset + length <= PAGE_SIZE) return this.#page(page).subarray(offset, offset + length);
    const last = Math.floor((address + length - 1) / PAGE_SIZE);
    const pages: Buffer[] = [];
    for (let number = page; number <= last; number++) pages.push(this.#page(number));
    return Buffer.concat(pages).subarray(offset, offset + length);
  }

  #isAllowed(start: number, end: number): boolean {
    let low = 0;
    let high = this.#regions.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const region = this.#regions[middle] as Region;
      if (start < region.start) high = middle - 1;
      else if (start >= region.end) low = middle + 1;
      else return end <= region.end;
    }
    return false;
  }

  #page(number: number): Buffer {
    const known = this.#pages.get(number);
    if (known !== undefined) return known;
    if (this.#pages.size >= MOST_PAGES) throw new BadMemory('a stack without an end');
    const page = Buffer.allocUnsafe(PAGE_SIZE);
    if (this.#read(number * PAGE_SIZE, page) < PAGE_SIZE) throw new BadMemory('an address that is gone');
    this.#pages.set(number, page);
    return page;
  }
}
