import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { EXIT_OK, EXIT_SOFTWARE } from '../errors.js';
import type { Logger } from '../log/levels.js';
import type { Milliseconds } from '../units.js';

/** Variable that tells the background process that it is one; removed from the environment at once. */
const MARK = 'TSFPM_DAEMON';
const STATUS_FD = 3;
/** Longer than a zygote may take to be ready (10 s): the master reports such a failure itself. */
const PATIENCE_MS: Milliseconds = 20_000;

/** Whether this process is the one that {@link daemonize} started; to be asked once, first of all. */
export function takeDaemonMark(): boolean {
  const isDaemon = process.env[MARK] !== undefined;
  delete process.env[MARK];
  return isDaemon;
}

/** Tells the process that launched this one, and waits, that the service is up. */
export function tellLauncher(): void {
  try {
    writeSync(STATUS_FD, '1');
    closeSync(STATUS_FD);
  } catch {
    // EPIPE: the launcher was interrupted; the service is up all the same
  }
}

/**
 * Starts this command again in the background, in a session of its own, and waits until it tells that it serves. Node
 * cannot fork, so the second process reads the configuration again. It keeps the current directory, the umask and,
 * until the service is up, stderr.
 *
 * @returns the exit code for this process: 0 once the service is up, 70 if it will not be
 */
export function daemonize(log: Logger): Promise<number> {
  const [, script = '', ...argv] = process.argv;
  const child = spawn(process.execPath, [...process.execArgv, script, ...argv], {
    detached: true,
    env: { ...process.env, [MARK]: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      log.error("the master process didn't send back its status (via the pipe to the calling process)");
      resolve(EXIT_SOFTWARE);
    }, PATIENCE_MS);
    const settle = (code: number) => {
      clearTimeout(timer);
      resolve(code);
    };
    child.once('error', (error) => {
      log.error(`cannot start the master process: ${error.message}`);
      settle(EXIT_SOFTWARE);
    });
    // The child explains a failure itself, on the stderr that it shares with this process.
    child.once('exit', () => settle(EXIT_SOFTWARE));
    child.stdio[STATUS_FD]?.once('data', () => settle(EXIT_OK));
  });
}
