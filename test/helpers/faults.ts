import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Count, Pid } from '../../src/units.js';
import { until } from './wait.js';

/** One call of a process's main thread that the kernel refuses, by strace's fault injection. */
export interface Fault {
  /** Name of the call in strace: `openat`. */
  readonly call: string;
  /** `EMFILE` */
  readonly error: string;
  /** Which call from the moment of the injection on, from 1; undefined: each. */
  readonly when: Count | undefined;
}

/** `-e trace=... -e inject=...` */
export function faultArguments(faults: readonly Fault[]): string[] {
  const calls = [...new Set(faults.map(({ call }) => call))].join(',');
  return [
    '-e',
    `trace=${calls}`,
    '-e',
    'signal=none',
    ...faults.flatMap(({ call, error, when }) => [
      '-e',
      `inject=${call}:error=${error}${when === undefined ? '' : `:when=${when}`}`,
    ]),
  ];
}

/** Calls of that name that were refused, by what strace has written. */
export function countRefused(trace: string, call: string): Count {
  return trace.split('\n').filter((line) => line.includes(`${call}(`) && line.endsWith('(INJECTED)')).length;
}

/** Faults in a process that runs, from {@link FaultInjection.into} to {@link FaultInjection.end}. */
export class FaultInjection {
  readonly #strace: ChildProcess;
  readonly #folder = mkdtempSync('/tmp/tsfpm-faults-');
  #hasEnded = false;

  private constructor(pid: Pid, faults: readonly Fault[]) {
    const argv = ['-o', this.#trace, '-p', String(pid), ...faultArguments(faults)];
    this.#strace = spawn('strace', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#strace.once('exit', () => {
      this.#hasEnded = true;
    });
  }

  /** @returns when they are in force */
  static async into(pid: Pid, faults: readonly Fault[]): Promise<FaultInjection> {
    const injection = new FaultInjection(pid, faults);
    let said = '';
    injection.#strace.stderr?.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    await until('strace is attached', () => /attached/.test(said) || injection.#hasEnded);
    if (injection.#hasEnded) throw new Error(`strace: ${said}`);
    return injection;
  }

  /** @returns how many calls were refused of each name */
  async end(): Promise<(call: string) => Count> {
    this.#strace.kill('SIGINT');
    await until('strace has let go', () => this.#hasEnded);
    const trace = readFileSync(this.#trace, 'utf8');
    rmSync(this.#folder, { recursive: true });
    return (call) => countRefused(trace, call);
  }

  get #trace(): string {
    return join(this.#folder, 'trace');
  }
}
