import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Pid } from '../../src/units.js';
import { sleep, until } from './wait.js';

/** Why a test that needs strace is left out. */
export const STRACE_IS_MISSING =
  spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
    ? false
    : 'strace is missing or may not trace';

export interface Trace {
  /** Ends it. @returns the system calls, one a line, as strace writes them */
  stop(): Promise<string[]>;
}

/** The system calls of a process from now on. */
export async function startTrace(t: TestContext, pid: Pid, file: string): Promise<Trace> {
  const strace: ChildProcess = spawn('strace', ['-p', String(pid), '-o', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => strace.kill('SIGKILL'));
  let said = '';
  strace.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until('strace is attached', () => /attached/.test(said));
  return {
    async stop(): Promise<string[]> {
      await sleep(100);
      strace.kill('SIGINT');
      await once(strace, 'exit');
      return readFileSync(file, 'latin1')
        .split('\n')
        .map((line) => line.replace(/^<\.\.\. (\w+) resumed>/, '$1('));
    },
  };
}

export const nameOf = (call: string) => call.slice(0, call.indexOf('('));
