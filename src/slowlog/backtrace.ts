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
  /** Address of PHP's own frame, which php-fpm shows. */
  readonly address: number;
  /** `Class::method`, `function`, `[INCLUDE_OR_EVAL]`; safe to show, see escapedBytes. */
  readonly name: string;
  /** undefined for a function that PHP itself calls, such as a shutdown function. */
  readonly calledFrom: Place | undefined;
}

export interface Place {
  /** Safe to show. */
  readonly file: string;
  /** 0 where it is not known. */
  readonly line: number;
}

export interface Backtrace {
  /** Innermost first; the frame of the main script is left out, as in php-fpm. */
  readonly frames: readonly Frame[];
  /** The line of PHP code that is being executed; undefined inside a function of PHP itself. */
  readonly running: Place | undefined;
  /** The stack has more frames than were asked for. */
  readonly isCut: boolean;
}

/** One frame of PHP's chain, before anything that it points at is read. */
interface RawFrame {
  readonly address: number;
  readonly opline: number;
  readonly func: number;
  readonly typeInfo: number;
  readonly prev: number;
}

/** How many frames more are read than shown: some are PHP's own and not shown, of some only the line is needed. */
const MORE_THAN_SHOWN: Count = 64;
const MOST_DELEGATIONS: Count = 1000;
const LONGEST_NAME: Bytes = 512;
const LONGEST_FILE: Bytes = 4096;

/** The chain of frames. If two readings of it agree, what was read between them is of one moment. */
export interface Chain {
  readonly frames: readonly RawFrame[];
  /** It does not end at a frame that can be outermost: it was read in the middle of a call, and frames are missing. */
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
 * Whether a frame without a caller can be the outermost. Only what PHP's C code starts has no caller: the main
 * script, a handler at the end of the request, and the empty frame that older versions put below one. A function that
 * PHP code calls is linked to its caller only once all its arguments are evaluated: until then the same word holds
 * the call that its value is an argument of, or nothing. While the process runs, the innermost function may return
 * and the next call may be prepared in its place, after its address was read and before its frame was; and this may
 * happen again at the second reading. A generator counts as started by C code, but becomes the innermost before it is
 * linked.
 */
function mayBeOutermost({ func, typeInfo }: RawFrame): boolean {
  return func === 0 || ((typeInfo & ZEND_CALL_TOP) !== 0 && (typeInfo & ZEND_CALL_GENERATOR) === 0);
}

/** Whether both chains have the same functions; the line within the innermost one may differ. */
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
 * The functions and places that the chain stands for.
 *
 * @param memory the one that the chain was read from
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
    // A frame of an internal function keeps whatever was in this word before.
    opline: Number(memory.word(address + EXECUTE_DATA.opline)),
    func: memory.pointer(address + EXECUTE_DATA.func),
    typeInfo: memory.u32(address + EXECUTE_DATA.thisType),
    prev: memory.pointer(address + EXECUTE_DATA.prev),
  };
}

/**
 * The generators that delegate by `yield from`. Only the innermost generator is linked to the caller, by a frame
 * without a function that stands for all generators in between. Their objects are linked: from the outermost to the
 * one that it delegates to, and so on.
 *
 * @returns their frames, innermost first and without the innermost one; undefined for any other frame without a
 *   function
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
  /** undefined for a frame of PHP itself, which has no name. */
  readonly name: string | undefined;
  readonly isUserCode: boolean;
  /** True for the main script; true also for an include by an internal function, which looks the same. */
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

  /** @returns undefined for a frame without a function */
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

  /**
   * The place in the next frame outwards that is PHP code: a function called by an internal one has that one's
   * caller.
   */
  callSite(frames: readonly RawFrame[], index: number): Place | undefined {
    for (let outer = index + 1; outer < frames.length; outer++) {
      const frame = frames[outer] as RawFrame;
      if (frame.func !== 0 && this.#isUserCode(frame.func)) return this.place(frame);
    }
    return undefined;
  }

  /** File and line of a frame of PHP code. */
  place({ func, opline }: RawFrame): Place {
    const file = this.#memory.pointer(func + this.#layout.filename);
    return { file: this.#text(file, LONGEST_FILE), line: this.#line(func, opline) };
  }

  /**
   * The line of an opline. Code of the JIT may leave an older opline there, and a thrown exception puts another one
   * there: only an opline of this function counts.
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

  /** A zend_string up to its first NUL: names of anonymous classes have one inside. */
  #text(string: number, most: Bytes): string {
    const memory = this.#memory;
    const length = Number(memory.word(string + STRING.length));
    const bytes = memory.bytes(string + STRING.value, Math.min(length, most));
    const end = bytes.indexOf(0);
    const text = escapedBytes(end < 0 ? bytes : bytes.subarray(0, end));
    return length > most && end < 0 ? `${text}...` : text;
  }
}
