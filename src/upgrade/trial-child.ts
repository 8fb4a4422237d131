import type { ChildProcess } from 'node:child_process';
import { errorText } from '../errors.js';
import { killGroup, startChild } from '../os/child.js';
import type { Milliseconds } from '../units.js';
import type { Environment } from '../zygote/environment.js';

export interface TrialCommand {
  readonly program: string;
  readonly argv: readonly string[];
  readonly environment: Environment;
}

/** How long a trial may take, and what ends it early: a stop of the master. */
export interface TrialBounds {
  readonly patienceMs: Milliseconds;
  readonly stop: AbortSignal;
}

/** What is kept of what the trial prints, from the end. */
const MOST_WORDS = 4096;
/** What it has printed is in the pipe when it has ended; a process that it left behind may hold that open. */
const LAST_WORDS_MS: Milliseconds = 500;

/**
 * Runs a program to its end, or ends it: whatever it does, and whether or not the system tells of its end, this comes
 * back in time.
 *
 * @returns undefined where it exited with 0, else why not, with its last words
 */
export function runTrial(
  command: TrialCommand,
  { patienceMs, stop }: TrialBounds,
): Promise<string | undefined> {
  if (stop.aborted) return Promise.resolve('the master is stopping');
  let child: ChildProcess;
  try {
    child = startChild(command.program, command.argv, {
      env: command.environment,
      stdio: ['ignore', 'ignore', 'pipe'],
      // A group of its own, to be ended as a whole.
      detached: true,
    });
  } catch (error) {
    return Promise.resolve(errorText(error));
  }
  const { pid, stderr } = child;
  let words = '';
  stderr?.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString('utf8')).slice(-MOST_WORDS);
  });
  stderr?.on('error', () => {}); // its end tells
  return new Promise((resolve) => {
    const settle = (failure?: string) => {
      clearTimeout(timer);
      stop.removeEventListener('abort', giveUp);
      stderr?.destroy();
      child.unref();
      resolve(failure);
    };
    const end = (failure: string) => {
      if (pid !== undefined) killGroup(pid);
      settle(failure);
    };
    const giveUp = () => end('the master is stopping');
    const timer = setTimeout(
      () => end(`it was not done after ${patienceMs / 1000} s: ${words.trim()}`),
      patienceMs,
    );
    stop.addEventListener('abort', giveUp);
    child.once('error', (error) => settle(error.message));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      stop.removeEventListener('abort', giveUp);
      const tell = () =>
        settle(code === 0 ? undefined : `it ended with ${signal ?? `code ${code}`}: ${words.trim()}`);
      child.once('close', tell);
      setTimeout(tell, LAST_WORDS_MS).unref();
    });
  });
}
