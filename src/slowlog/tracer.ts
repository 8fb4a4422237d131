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

/** No backtraces can be read from this PHP; the message says why. */
export class CannotTrace extends Error {
  readonly code = 'CANNOT_TRACE';
}

/** One backtrace, and how it was read. */
export interface Trace {
  readonly backtrace: Backtrace;
  /** How long the worker was stopped; 0: it was read while the worker ran, and two readings agreed. */
  readonly stoppedMs: Milliseconds;
}

/** A worker that waits for something stays in the same functions; one that computes may have to be stopped. */
const TRIES_UNSTOPPED: Count = 3;
/** A worker may be stopped in the middle of a call: then it is let go and stopped again, so many times. */
const TRIES_STOPPED: Count = 4;

/** Reads PHP backtraces of a zygote's workers, which have php-cgi at the same addresses. */
export class Tracer {
  readonly #layout: PhpLayout;
  /** Address of `executor_globals`. */
  readonly #globals: number;

  private constructor(layout: PhpLayout, globals: number) {
    this.#layout = layout;
    this.#globals = globals;
  }

  /**
   * @param pid of the zygote, or of one of its workers
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

  /** Why the memory of that worker cannot be read at all, for a warning at the start; undefined if it can. */
  permissionFailure(pid: Pid): CannotTrace | undefined {
    try {
      const memory = openProcessMemory(pid);
      const word = memory.read(this.#globals - (this.#globals % PAGE_SIZE), Buffer.alloc(8));
      memory.close();
      return word === 8 ? undefined : new CannotTrace('php-cgi is not where it should be in memory');
    } catch (error) {
      // The worker may just have ended.
      return hasCode(error, 'ENOENT', 'ESRCH') ? undefined : new CannotTrace(reasonOf(error));
    }
  }

  /**
   * The functions that a worker is in. They are read twice while it runs; only if the two readings differ, it is
   * stopped for another one, for less than a millisecond, and once more if that was in the middle of a call.
   *
   * @param depth most frames
   * @throws CannotTrace
   */
  async trace(pid: Pid, depth: Count): Promise<Trace> {
    const memory = this.#open(pid);
    try {
      const maps = parseMaps(processMaps(pid), processProgram(pid));
      const freshMemory = () => new Memory(memory.read, maps.regions);
      for (let left = TRIES_UNSTOPPED; left > 0; left--) {
        const backtrace = this.#readTwice(freshMemory, depth);
        if (backtrace !== undefined) return { backtrace, stoppedMs: 0 };
      }
      return await this.#readStopped(pid, freshMemory, depth);
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

  /** Reads while the worker is stopped. Between two stops it runs for as long as it takes to stop it. */
  async #readStopped(pid: Pid, freshMemory: () => Memory, depth: Count): Promise<Trace> {
    let stoppedMs: Milliseconds = 0;
    for (let left = TRIES_STOPPED; ; left--) {
      const stopped = await whileStopped(pid, () => this.#read(freshMemory(), depth));
      if (stopped === undefined)
        throw new CannotTrace(processLife(pid) === undefined ? 'it has ended' : 'it cannot be stopped');
      stoppedMs += stopped.stoppedMs;
      const { chain, backtrace } = stopped.value;
      if (!chain.isTorn || left <= 1) return { backtrace, stoppedMs };
    }
  }

  #readTwice(freshMemory: () => Memory, depth: Count): Backtrace | undefined {
    try {
      const { chain, backtrace } = this.#read(freshMemory(), depth);
      const after = readChain(freshMemory(), this.#globals, this.#layout, depth);
      return !chain.isTorn && isSameChain(chain, after) ? backtrace : undefined;
    } catch (error) {
      if (error instanceof BadMemory) return undefined; // a frame that was freed meanwhile
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
