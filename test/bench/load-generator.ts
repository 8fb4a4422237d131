import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Count, Milliseconds, Seconds } from '../../src/units.js';
import { REPOSITORY } from './site.js';

const SOURCES = join(REPOSITORY, 'test/bench/load');
const BINARY = join(REPOSITORY, 'dist/bench/load');

/** @throws Error if there is no `cc` or it refuses the sources */
export function buildLoadGenerator(): void {
  const sources = readdirSync(SOURCES)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(SOURCES, name));
  mkdirSync(join(REPOSITORY, 'dist/bench'), { recursive: true });
  // Others may be building or running it: they see the old one or the new one.
  const built = `${BINARY}.${process.pid}`;
  execFileSync('cc', ['-O2', '-std=c11', '-Wall', '-Wextra', '-o', built, ...sources], { stdio: 'inherit' });
  renameSync(built, BINARY);
}

export interface LoadOptions {
  /** Path of a unix socket, or HOST:PORT. */
  readonly address: string;
  readonly script: string;
  readonly params?: Readonly<Record<string, string>>;
  /** Requests under way at a time; default 1. */
  readonly connections?: Count;
  /** Ends after this many; with `seconds` too, whichever comes first. With neither: one request. */
  readonly requests?: Count;
  readonly seconds?: Seconds;
  readonly keepAlive?: boolean;
  /** Requests per second, whatever becomes of them: an open loop of `connections` at most, a new connection each. */
  readonly rate?: number;
  /** For one request, from its connect on; default 10 s. */
  readonly timeoutMs?: Milliseconds;
}

/** What the generator prints; one field for one of test/bench/load/load.c. */
export interface LoadResult {
  readonly ok: Count;
  readonly failed: Count;
  readonly failures: Readonly<Record<string, Count>>;
  /** Answered before `seconds` were over; afterwards only what was under way is waited for. */
  readonly okBeforeEnd: Count;
  /** Connects that found the listen queue full and were tried again; in an open loop each is a failed request. */
  readonly backlogFull: Count;
  /** Kept connections that the server closed between two requests. */
  readonly reconnects: Count;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly requestBytes: number;
  readonly elapsedSeconds: Seconds;
  readonly requestsPerSecond: number;
  readonly latencyUs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly cpuSeconds: { readonly user: Seconds; readonly system: Seconds };
}

function argumentsFor(options: LoadOptions): string[] {
  const { params = {}, connections, requests, seconds, keepAlive, timeoutMs, rate } = options;
  const numbers = { connections, requests, seconds, 'timeout-ms': timeoutMs, rate };
  return [
    ...['--address', options.address, '--script', options.script],
    ...Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]),
    ...Object.entries(numbers).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, `${value}`],
    ),
    ...(keepAlive ? ['--keep-alive'] : []),
  ];
}

function runGenerator(args: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    // In a group of its own: Ctrl-C is for the driver, which aborts the signal.
    const child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true, signal });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve(Buffer.concat(chunks).toString('utf8'));
      else reject(new Error(`the load generator ended with ${code ?? killedBy}`));
    });
  });
}

/** @throws AbortError when `signal` fires; Error if the generator itself fails; failed requests are in the result */
export async function runLoad(options: LoadOptions, signal: AbortSignal): Promise<LoadResult> {
  return JSON.parse(await runGenerator(argumentsFor(options), signal));
}

/** One request. @returns the raw CGI answer; `undefined` if the request failed */
export async function fetchPage(
  options: Pick<LoadOptions, 'address' | 'script' | 'timeoutMs'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const output = await runGenerator([...argumentsFor(options), '--print'], signal);
  const jsonAt = output.lastIndexOf('{"ok"');
  return JSON.parse(output.slice(jsonAt)).ok === 1 ? output.slice(0, jsonAt) : undefined;
}
