import { spawnSync } from 'node:child_process';

/** A download of some megabytes. */
const PATIENCE_MS = 180_000;
const LARGEST_OUTPUT = 64 * 1024 * 1024;

export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

/**
 * Runs a program to its end.
 *
 * @returns its stdout
 * @throws CommandFailed with what it said last
 */
export function run(
  program: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly patienceMs?: number;
  } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, LC_ALL: 'C', ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: options.patienceMs ?? PATIENCE_MS,
    maxBuffer: LARGEST_OUTPUT,
  });
  if (error !== undefined) throw new CommandFailed(`cannot run ${program}: ${error.message}`);
  if (status !== 0) {
    const words = `${stdout}\n${stderr}`.split('\n').filter((line) => /\S/.test(line));
    const errors = words.filter((line) => /^E: |error/i.test(line));
    throw new CommandFailed(
      `${program} ${args[0]}: ${(errors.length > 0 ? errors : words).slice(-3).join('; ')}`,
    );
  }
  return stdout;
}
