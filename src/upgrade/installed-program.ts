import type { SystemError } from '../errors.js';
import type { InheritedSocket } from '../listen/inherited.js';
import { keptStderr } from '../log/starting-stderr.js';
import { setCloseOnExec } from '../os/descriptor.js';
import { executeInstead } from '../os/exec.js';
import type { Fd, Milliseconds } from '../units.js';
import { ownVersion } from '../version.js';
import type { Environment } from '../zygote/environment.js';
import { encodeSockets } from './inherited-sockets.js';
import { descriptorsOf, TAKEOVER_MARK, type Takeover } from './takeover.js';
import { runTrial } from './trial-child.js';

/** Tells the installed program that it is on trial: start every pool, prove it, and end. */
const TRIAL_MARK = 'TSFPM_TRIAL';
const TRIAL_PATIENCE_MS: Milliseconds = 60_000;

const STANDARD_FDS: readonly Fd[] = [0, 1, 2];

/** What the program of this process gives to the one that takes its place. */
export interface HandOver extends Omit<Takeover, 'lentFds' | 'stderrFd'> {
  readonly sockets: readonly InheritedSocket[];
  readonly environment: Environment;
}

/** The program that is installed now, as an upgrade in place sees it. */
export interface InstalledProgram {
  /** @throws while an installation is under way, or where it is broken */
  version(): string;
  /** The command line that this process was started with. */
  command(): string[];
  /**
   * Runs it beside this one, on trial.
   *
   * @param stop ends it
   * @returns undefined when it can take over, else why not
   */
  prove(environment: Environment, stop: AbortSignal): Promise<string | undefined>;
  /** Runs it in this process. @returns only if that fails, with nothing changed */
  takeOver(handOver: HandOver): SystemError;
}

export const INSTALLED_PROGRAM: InstalledProgram = {
  version: ownVersion,

  command() {
    return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  },

  prove(environment, stop) {
    const [program = process.execPath, ...argv] = this.command();
    return runTrial(
      { program, argv, environment: { ...environment, [TRIAL_MARK]: '1' } },
      { patienceMs: TRIAL_PATIENCE_MS, stop },
    );
  },

  takeOver({ sockets, zygotes, isBackground, pidFile, restarts, environment }) {
    const lentFds = sockets.filter(({ isLent }) => isLent).map(({ fd }) => fd);
    const takeover: Takeover = { isBackground, zygotes, lentFds, pidFile, stderrFd: keptStderr(), restarts };
    // Node closes its own standard streams on exec, too.
    const passed = [...STANDARD_FDS, ...sockets.map(({ fd }) => fd), ...descriptorsOf(takeover)];
    for (const fd of passed) setCloseOnExec(fd, false);
    const failure = executeInstead(process.execPath, this.command(), {
      ...environment,
      ...encodeSockets(sockets),
      [TAKEOVER_MARK]: JSON.stringify(takeover),
    });
    for (const fd of passed) setCloseOnExec(fd, true);
    return failure;
  },
};

/** Whether this process is the program on trial. To be asked once, first of all: the mark leaves the environment. */
export function takeTrialMark(environment: Record<string, string | undefined>): boolean {
  const isTrial = environment[TRIAL_MARK] !== undefined;
  delete environment[TRIAL_MARK];
  return isTrial;
}
