import { escapedBytes } from '../text/harmless.js';
import type { Bytes, Count } from '../units.js';
import { BadMemory, type Memory } from './memory.js';
import {
  CLASS_ENTRY,
  EXECUTE_DATA,
  FUNCTION,
  GENERATOR_NODE,
  IS_OBJECT,
  OPCODE,
  type PhpLayout,
  STRING,
  ZEND_CALL_CODE,
  ZEND_CALL_GENERATOR,
  ZEND_CALL_TOP,
  ZEND_EVAL_CODE,
  ZEND_INTERNAL_FUNCTION,
  ZEND_USER_FUNCTION,
} from './php-layout.js';

/** A function that is being executed, and the place that it was called from. */
export interface Frame {
  /** Of PHP's own frame, as php-fpm shows it. */
  readonly address: number;
  /** `Class::method`, `function`, `[INCLUDE_OR_EVAL]`; printable. */
  readonly name: string;
  /** undefined: PHP itself called it, as it does shutdown functions. */
  readonly calledFrom: Place | undefined;
}

export interface Place {
  /** Printable. */
  readonly file: string;
  /** 0 where it is not known. */
  readonly line: number;
}

export interface Backtrace {
  /** Innermost first, without the main script's own, as php-fpm has it. */
  readonly frames: readonly Frame[];
  /** Where PHP code is being executed, and not a function of PHP that it has called. */
  readonly running: Place | undefined;
  /** The stack is deeper. */
  readonly isCut: boolean;
}

/** PHP's chain of frames, before anything that they point at is read. */
interface RawFrame {
  readonly address: number;
  readonly opline: number;
  readonly func: number;
  readonly typeInfo: number;
  readonly prev: number;
}

/** Frames of PHP's own, which are not shown, and callers that only a line is needed of. */
const MORE_THAN_SHOWN: Count = 64;
const MOST_DELEGATIONS: Count = 1000;
const LONGEST_NAME: Bytes = 512;
const LONGEST_FILE: Bytes = 4096;

/** What has to be the same before and after for the reading to be of one moment. */
export interface Chain {
  readonly frames: readonly RawFrame[];
  /** It ends where no stack of PHP does: it was read in the middle of a call, and what is missing is not known. */
  readonly isTorn: boolean;
}

/**
 * The chain of frames, innermost first; empty where PHP executes nothing.
 *
 * @param globals address of `executor_globals`
 * @param depth frames that will be shown
 * @throws BadMemory
 */
export function readChain(memory: Memory, globals: number, layout: PhpLayout, depth: Count): Chain {
  const frames: RawFrame[] = [];
  const seen = new Set<number>();
  const most = depth + MORE_THAN_SHOWN;
  let isTorn = false;
  let address = memory.pointer(globals + layout.currentExecuteData);
  while (address !== 0 && frames.length < most) {
    if (seen.has(address)) throw new BadMemory('a stack that leads back to itself');
    seen.add(address);
    const frame = readFrame(memory, address);
    const delegating = frame.func === 0 ? delegatingGenerators(memory, frame, layout) : undefined;
    if (delegating === undefined) frames.push(frame);
    else frames.push(...delegating);
    address = frame.prev;
    if (address === 0) isTorn = delegating !== undefined || !mayBeOutermost(frame);
  }
  return { frames, isTorn };
}

/**
 * Only what PHP's C code starts has no caller: the main script, a handler at the end of the request, and the empty frame
 * that older versions put below one. A function that PHP code calls is not linked to its caller before all arguments are
 * there: until then the same word holds the call that its value is an argument of, or nothing. While the process runs,
 * the innermost function may return, and the next call be prepared in its place, between our reading that it is the
 * innermost and our reading of its frame; and soon again in the second look. A generator counts as started by C code, but
 * is made the innermost before it is linked.
 */
function mayBeOutermost({ func, typeInfo }: RawFrame): boolean {
  return func === 0 || ((typeInfo & ZEND_CALL_TOP) !== 0 && (typeInfo & ZEND_CALL_GENERATOR) === 0);
}

/** The innermost frame's own place may move on: it is still in the same functions. */
export function isSameChain(a: Chain, b: Chain): boolean {
  return (
    a.frames.length === b.frames.length &&
    a.frames.every((frame, index) => {
      const other = b.frames[index] as RawFrame;
      return (
        frame.address === other.address &&
        frame.func === other.func &&
        frame.typeInfo === other.typeInfo &&
        (index === 0 || frame.opline === other.opline)
      );
    })
  );
}

/**
 * What the chain means.
 *
 * @param memory that the chain was read from: the same look at it
 * @throws BadMemory
 */
export function describeChain(
  memory: Memory,
  { frames }: Chain,
  globals: number,
  layout: PhpLayout,
  depth: Count,
): Backtrace {
  const reader = new StackReader(memory, globals, layout);
  const shown: Frame[] = [];
  let running: Place | undefined;
  let isInnermost = true;
  for (const [index, frame] of frames.entries()) {
    const func = reader.function(frame);
    if (func === undefined) continue;
    if (isInnermost && func.isUserCode) running = reader.place(frame);
    isInnermost = false;
    const isMain = func.isMain && frames.slice(index + 1).every((outer) => outer.func === 0);
    if (isMain || func.name === undefined) continue;
    if (shown.length >= depth) return { frames: shown, running, isCut: true };
    shown.push({
      address: frame.address,
      name: func.name,
      calledFrom: reader.callSite(frames, index),
    });
  }
  return { frames: shown, running, isCut: false };
}

function readFrame(memory: Memory, address: number): RawFrame {
  return {
    address,
    // Of an internal function's frame it is whatever was there before.
    opline: Number(memory.word(address + EXECUTE_DATA.opline)),
    func: memory.pointer(address + EXECUTE_DATA.func),
    typeInfo: memory.u32(address + EXECUTE_DATA.thisType),
    prev: memory.pointer(address + EXECUTE_DATA.prev),
  };
}

/**
 * With `yield from` only the innermost generator is linked to the caller, by a frame without a function that stands for
 * all of those in between. Their objects know each other: from the outermost to the one that it delegates to, and on.
 *
 * @returns them, innermost first and without the innermost, or undefined for any other frame without a function
 */
function delegatingGenerators(memory: Memory, frame: RawFrame, layout: PhpLayout): RawFrame[] | undefined {
  const { generator } = layout;
  if (generator === undefined || (frame.typeInfo & 0xff) !== IS_OBJECT) return undefined;
  const outermost = memory.pointer(frame.address + EXECUTE_DATA.thisValue);
  // The placeholder is a part of its generator's object; other frames without a function are copies of a caller's.
  if (outermost + generator.executeFake !== frame.address) return undefined;
  const frames: RawFrame[] = [];
  let object = outermost;
  for (let left = MOST_DELEGATIONS; left > 0; left--) {
    const parent = memory.pointer(object + generator.node + GENERATOR_NODE.parent);
    if (parent === 0) return frames.reverse();
    const executeData = memory.pointer(object + generator.executeData);
    if (executeData !== 0) frames.push(readFrame(memory, executeData));
    object = parent;
  }
  throw new BadMemory('generators without an end');
}

interface FunctionInfo {
  /** undefined: PHP's own, without a name. */
  readonly name: string | undefined;
  readonly isUserCode: boolean;
  /** It may be the main script; an include that an internal function does looks the same. */
  readonly isMain: boolean;
}

class StackReader {
  readonly #memory: Memory;
  readonly #globals: number;
  readonly #layout: PhpLayout;

  constructor(memory: Memory, globals: number, layout: PhpLayout) {
    this.#memory = memory;
    this.#globals = globals;
    this.#layout = layout;
  }

  /** @returns undefined for a frame that stands for none */
  function({ func, typeInfo }: RawFrame): FunctionInfo | undefined {
    if (func === 0) return undefined;
    const isUserCode = this.#isUserCode(func);
    const name = this.#memory.pointer(func + FUNCTION.name);
    if (name !== 0) return { name: this.#qualified(func, name), isUserCode, isMain: false };
    if (!isUserCode) return { name: undefined, isUserCode, isMain: false };
    const isCode = (typeInfo & ZEND_CALL_CODE) !== 0;
    const isMain = isCode && (typeInfo & ZEND_CALL_TOP) !== 0;
    return { name: isCode ? '[INCLUDE_OR_EVAL]' : '???', isUserCode, isMain };
  }

  /** The next PHP code outwards; what internal functions call has their caller's place. */
  callSite(frames: readonly RawFrame[], index: number): Place | undefined {
    for (let outer = index + 1; outer < frames.length; outer++) {
      const frame = frames[outer] as RawFrame;
      if (frame.func !== 0 && this.#isUserCode(frame.func)) return this.place(frame);
    }
    return undefined;
  }

  /** Of a frame of PHP code. */
  place({ func, opline }: RawFrame): Place {
    const file = this.#memory.pointer(func + this.#layout.filename);
    return { file: this.#text(file, LONGEST_FILE), line: this.#line(func, opline) };
  }

  /**
   * JIT code leaves an older opline where it needs none, and a thrown exception puts another in its place: only one of
   * this very function counts.
   */
  #line(func: number, opline: number): number {
    const memory = this.#memory;
    const start = memory.pointer(func + this.#layout.opcodes);
    const end = start + memory.u32(func + this.#layout.opcodeCount) * OPCODE.size;
    const isWithin = (at: number) => at >= start && at < end;
    const before = isWithin(opline)
      ? opline
      : memory.pointer(this.#globals + this.#layout.oplineBeforeException);
    return isWithin(before) ? memory.u32(before + OPCODE.line) : 0;
  }

  #isUserCode(func: number): boolean {
    const type = this.#memory.u8(func + FUNCTION.type);
    if (type === ZEND_INTERNAL_FUNCTION) return false;
    if (type === ZEND_USER_FUNCTION || type === ZEND_EVAL_CODE) return true;
    throw new BadMemory('a function of an unknown type');
  }

  #qualified(func: number, name: number): string {
    const scope = this.#memory.pointer(func + FUNCTION.scope);
    const own = this.#text(name, LONGEST_NAME);
    if (scope === 0) return own;
    return `${this.#text(this.#memory.pointer(scope + CLASS_ENTRY.name), LONGEST_NAME)}::${own}`;
  }

  /** A zend_string up to its first NUL, which names of anonymous classes have inside. */
  #text(string: number, most: Bytes): string {
    const memory = this.#memory;
    const length = Number(memory.word(string + STRING.length));
    const bytes = memory.bytes(string + STRING.value, Math.min(length, most));
    const end = bytes.indexOf(0);
    const text = escapedBytes(end < 0 ? bytes : bytes.subarray(0, end));
    return length > most && end < 0 ? `${text}...` : text;
  }
}
