import { Memory, PAGE_SIZE, type Region } from '../../../src/slowlog/memory.js';
import {
  CLASS_ENTRY,
  EXECUTE_DATA,
  FUNCTION,
  OPCODE,
  type PhpLayout,
  phpLayout,
  STRING,
} from '../../../src/slowlog/php-layout.js';

export const LAYOUT = phpLayout('8.2.0') as PhpLayout;
export const BASE = 0x7f00_0000_0000;
const SIZE = 64 * PAGE_SIZE;

/** A PHP's memory, made up: everything is where {@link LAYOUT} says, and can be broken afterwards. */
export class FakePhp {
  readonly bytes = Buffer.alloc(SIZE);
  readonly globals = BASE + PAGE_SIZE;
  readonly regions: Region[] = [{ start: BASE, end: BASE + SIZE }];
  #free = 3 * PAGE_SIZE;

  /** As if now read for the first time. */
  look(): Memory {
    return new Memory((address, into) => this.bytes.copy(into, 0, address - BASE), this.regions);
  }

  allocate(size: number): number {
    const address = BASE + this.#free;
    this.#free += Math.ceil(size / 8) * 8;
    return address;
  }

  setPointer(address: number, value: number | bigint): void {
    this.bytes.writeBigUInt64LE(BigInt(value), address - BASE);
  }

  setU32(address: number, value: number): void {
    this.bytes.writeUInt32LE(value, address - BASE);
  }

  string(text: string | Buffer): number {
    const bytes = Buffer.from(text as string);
    const address = this.allocate(STRING.value + bytes.length + 1);
    this.setPointer(address + STRING.length, bytes.length);
    bytes.copy(this.bytes, address - BASE + STRING.value);
    return address;
  }

  classEntry(name: string | Buffer): number {
    const address = this.allocate(16);
    this.setPointer(address + CLASS_ENTRY.name, this.string(name));
    return address;
  }

  /** PHP code with one opcode for each line from 1 to 9. */
  userFunction(name: string | Buffer | undefined, file: string | Buffer, scope = 0): number {
    const address = this.allocate(256);
    const opcodes = this.allocate(9 * OPCODE.size);
    for (let line = 1; line <= 9; line++) this.setU32(opcodes + (line - 1) * OPCODE.size + OPCODE.line, line);
    this.bytes[address - BASE + FUNCTION.type] = 2;
    this.setPointer(address + FUNCTION.name, name === undefined ? 0 : this.string(name));
    this.setPointer(address + FUNCTION.scope, scope);
    this.setPointer(address + LAYOUT.filename, this.string(file));
    this.setPointer(address + LAYOUT.opcodes, opcodes);
    this.setU32(address + LAYOUT.opcodeCount, 9);
    return address;
  }

  internalFunction(name: string, scope = 0): number {
    const address = this.allocate(256);
    this.bytes[address - BASE + FUNCTION.type] = 1;
    this.setPointer(address + FUNCTION.name, this.string(name));
    this.setPointer(address + FUNCTION.scope, scope);
    return address;
  }

  /** The new innermost frame, of a function that is at a line, called by the one before. */
  push(func: number, line = 0, typeInfo = 0): number {
    const address = this.allocate(80);
    const current = this.globals + LAYOUT.currentExecuteData;
    this.bytes.copy(this.bytes, address - BASE + EXECUTE_DATA.prev, current - BASE, current - BASE + 8);
    this.setPointer(address + EXECUTE_DATA.func, func);
    this.setU32(address + EXECUTE_DATA.thisType, typeInfo);
    if (line > 0) {
      const opcodes = this.bytes.readBigUInt64LE(func + LAYOUT.opcodes - BASE);
      this.setPointer(address + EXECUTE_DATA.opline, Number(opcodes) + (line - 1) * OPCODE.size);
    } else this.setPointer(address + EXECUTE_DATA.opline, 0xdead_beef_dead_beefn); // never set by PHP
    this.setPointer(current, address);
    return address;
  }
}
