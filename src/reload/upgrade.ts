import { spawn } from 'node:child_process';
import type { SystemError } from '../errors.js';
import { setCloseOnExec } from '../os/descriptor.js';
import { executeInstead } from '../os/exec.js';
import type { Environment } from '../pool/environment.js';
import { encodeSockets, type NamedSocket } from '../systemd/inherited-sockets.js';
import type { Fd, Milliseconds } from '../units.js';

// Upgrade in place: the master replaces its own program, with the same pid and the same listening sockets, while the
// workers of the old one serve. First the new program is started beside it and has to prove that it can do the job.

/** Tells the new program that it is on trial: start every pool, prove it, and end. */
const TRIAL_MARK = 'TSFPM_TRIAL';
/** Tells the new program that it takes over, and from whom: control channels of the old zygotes. */
export const TAKEOVER_MARK = 'TSFPM_TAKEOVER';
const TRIAL_PATIENCE_MS: Milliseconds = 60_000;
/** What is kept of what the trial prints, from the end. */
const TRIAL_WORDS = 4096;

const STANDARD_FDS: readonly Fd[] = [0, 1, 2];

/** What the program before this one has left. */
export interface Takeover {
  /** Its service ran in the background. */
  readonly isBackground: boolean;
  readonly controlFds: readonly Fd[];
}

/** To be asked once, first of all: the mark leaves the environment. */
export function takeTrialMark(environment: Record<string, string | undefined>): boolean {
  const isTrial = environment[TRIAL_MARK] !== undefined;
  delete environment[TRIAL_MARK];
  return isTrial;
}

/** To be asked once, first of all: the mark leaves the environment, the descriptors are closed on exec again. */
export function takeTakeover(environment: Record<string, string | undefined>): Takeover | undefined {
  const text = environment[TAKEOVER_MARK];
  delete environment[TAKEOVER_MARK];
  if (text === undefined) return undefined;
  const [mode, ...fds] = text.split(',');
  const controlFds = fds.map(Number).filter((fd) => Number.isInteger(fd) && fd > 2);
  for (const fd of controlFds) setCloseOnExec(fd, true);
  return { isBackground: mode === 'background', controlFds };
}

/**
 * Runs the program that is installed now, on trial.
 *
 * @returns undefined when it can take over, else its last words
 */
export function tryNewProgram(environment: Environment): Promise<string | undefined> {
  const [program = process.execPath, ...argv] = ownCommand();
  return new Promise((resolve) => {
    const child = spawn(program, argv, {
      env: { ...environment, [TRIAL_MARK]: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: TRIAL_PATIENCE_MS,
      killSignal: 'SIGKILL',
    });
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => {
      words = (words + chunk.toString('utf8')).slice(-TRIAL_WORDS);
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => {
      const end = signal === null ? `code ${code}` : signal;
      resolve(code === 0 ? undefined : `it ended with ${end}: ${words.trim()}`);
    });
  });
}

export interface HandOver {
  readonly sockets: readonly NamedSocket[];
  readonly controlFds: readonly Fd[];
  readonly isBackground: boolean;
  readonly environment: Environment;
}

/** The command line that this process was started with. */
export function ownCommand(): string[] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
}

/** @returns only if the program could not be replaced; then everything is as before */
export function becomeNewProgram({ sockets, controlFds, isBackground, environment }: HandOver): SystemError {
  // Node closes its own standard streams on exec, too.
  const passed = [...STANDARD_FDS, ...sockets.map(({ fd }) => fd), ...controlFds];
  for (const fd of passed) setCloseOnExec(fd, false);
  const failure = executeInstead(process.execPath, ownCommand(), {
    ...environment,
    ...encodeSockets(sockets),
    [TAKEOVER_MARK]: [isBackground ? 'background' : 'foreground', ...controlFds].join(','),
  });
  for (const fd of passed) setCloseOnExec(fd, true);
  return failure;
}
