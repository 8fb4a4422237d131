import { asSystemError, hasCode } from '../os/libc.js';
import { processLife } from '../os/process-life.js';
import { whileStopped } from '../os/ptrace.js';
import { openProcessMemory, openProcessProgram, processMaps, processProgram } from '../os/traced-memory.js';
import type { Count, Milliseconds, Pid } from '../units.js';
import { type Backtrace, describeChain, isSameChain, readChain } from './backtrace.js';
import { ElfError, parseElf } from './elf.js';
import { parseMaps } from './maps.js';
import { BadMemory, Memory, PAGE_SIZE } from './memory.js';
import { KNOWN_VERSIONS, type PhpLayout, phpLayout } from './php-layout.js';

/** Backtraces cannot be had of this PHP; the message says why. */
export class CannotTrace extends Error {
  readonly code = 'CANNOT_TRACE';
}

/** One backtrace, and how it was had. */
export interface Trace {
  readonly backtrace: Backtrace;
  /** 0: it was read while the worker ran, and was the same before and after. */
  readonly stoppedMs: Milliseconds;
}

/** A worker that waits for something is in the same functions for long; one that computes may need the stop. */
const TRIES_UNSTOPPED: Count = 3;
/** It is rarely stopped in the middle of a call; one that then still is has a stack whose end we do not know. */
const TRIES_STOPPED: Count = 4;

/** Reads PHP backtraces of the processes of one php-cgi that is loaded at the same addresses: a zygote's. */
export class Tracer {
  readonly #layout: PhpLayout;
  /** Address of `executor_globals`. */
  readonly #globals: number;

  private constructor(layout: PhpLayout, globals: number) {
    this.#layout = layout;
    this.#globals = globals;
  }

  /**
   * @param pid a process of that php-cgi, as a zygote is
   * @param version of its PHP
   * @throws CannotTrace
   */
  static of(pid: Pid, version: string): Tracer {
    const layout = phpLayout(version);
    if (layout === undefined)
      throw new CannotTrace(
        `the layout of PHP ${version} in memory is not known, only of ${KNOWN_VERSIONS.join(', ')}`,
      );
    try {
      return new Tracer(layout, globalsAddress(pid));
    } catch (error) {
      if (error instanceof CannotTrace) throw error;
      if (error instanceof ElfError) throw new CannotTrace(`php-cgi cannot be looked into: ${error.message}`);
      throw new CannotTrace(`php-cgi cannot be looked into: ${asSystemError(error).reason}`);
    }
  }

  /** Why the memory of that worker cannot be read at all, if so: for a word of warning before it is needed. */
  permissionFailure(pid: Pid): CannotTrace | undefined {
    try {
      const memory = openProcessMemory(pid);
      const word = memory.read(this.#globals - (this.#globals % PAGE_SIZE), Buffer.alloc(8));
      memory.close();
      return word === 8 ? undefined : new CannotTrace('php-cgi is not where it should be in memory');
    } catch (error) {
      return hasCode(error, 'ENOENT', 'ESRCH') ? undefined : new CannotTrace(reasonOf(error)); // it may just have ended
    }
  }

  /**
   * Where PHP is in that worker. Read while it runs and looked at again; only where it was another place by then, it is
   * stopped for another reading, for less than a millisecond; and again where that was in the middle of a call.
   *
   * @param depth most frames
   * @throws CannotTrace the reason; not for lack of a layout
   */
  async trace(pid: Pid, depth: Count): Promise<Trace> {
    const memory = this.#open(pid);
    try {
      const maps = parseMaps(processMaps(pid), processProgram(pid));
      const look = () => new Memory(memory.read, maps.regions);
      for (let left = TRIES_UNSTOPPED; left > 0; left--) {
        const backtrace = this.#readTwice(look, depth);
        if (backtrace !== undefined) return { backtrace, stoppedMs: 0 };
      }
      return await this.#readStopped(pid, look, depth);
    } catch (error) {
      if (error instanceof CannotTrace) throw error;
      if (error instanceof BadMemory) throw new CannotTrace(`its memory holds ${error.message}`);
      throw new CannotTrace(reasonOf(error));
    } finally {
      memory.close();
    }
  }

  #open(pid: Pid) {
    try {
      return openProcessMemory(pid);
    } catch (error) {
      throw new CannotTrace(reasonOf(error));
    }
  }

  #read(memory: Memory, depth: Count) {
    const chain = readChain(memory, this.#globals, this.#layout, depth);
    return { chain, backtrace: describeChain(memory, chain, this.#globals, this.#layout, depth) };
  }

  /** Between two stops it runs on, if only for as long as stopping it takes. */
  async #readStopped(pid: Pid, look: () => Memory, depth: Count): Promise<Trace> {
    let stoppedMs: Milliseconds = 0;
    for (let left = TRIES_STOPPED; ; left--) {
      const stopped = await whileStopped(pid, () => this.#read(look(), depth));
      if (stopped === undefined)
        throw new CannotTrace(processLife(pid) === undefined ? 'it has ended' : 'it cannot be stopped');
      stoppedMs += stopped.stoppedMs;
      const { chain, backtrace } = stopped.value;
      if (!chain.isTorn || left <= 1) return { backtrace, stoppedMs };
    }
  }

  #readTwice(look: () => Memory, depth: Count): Backtrace | undefined {
    try {
      const { chain, backtrace } = this.#read(look(), depth);
      const after = readChain(look(), this.#globals, this.#layout, depth);
      return !chain.isTorn && isSameChain(chain, after) ? backtrace : undefined;
    } catch (error) {
      if (error instanceof BadMemory) return undefined; // a frame that went away
      throw error;
    }
  }
}

function globalsAddress(pid: Pid): number {
  const program = openProcessProgram(pid);
  try {
    const elf = parseElf(program.read);
    const symbol = elf.symbolAddress('executor_globals');
    if (symbol === undefined)
      throw new CannotTrace('php-cgi has no symbol executor_globals, as thread-safe builds have none');
    if (!elf.isPositionIndependent) return symbol;
    const { programStart } = parseMaps(processMaps(pid), processProgram(pid));
    if (programStart === undefined) throw new CannotTrace('php-cgi is not where it was started from');
    return programStart - elf.firstAddress + symbol;
  } finally {
    program.close();
  }
}

function reasonOf(error: unknown): string {
  if (hasCode(error, 'EACCES', 'EPERM'))
    return 'the master may not read the memory of its workers (it lacks CAP_SYS_PTRACE, or the system forbids tracing)';
  if (hasCode(error, 'ENOENT', 'ESRCH')) return 'it has ended';
  return asSystemError(error).reason;
}
