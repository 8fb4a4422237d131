import type { SystemError } from '../errors.js';
import type { InheritedSocket } from '../listen/inherited.js';
import { keepStderr, keptStderr } from '../log/starting-stderr.js';
import { setCloseOnExec } from '../os/descriptor.js';
import { executeInstead } from '../os/exec.js';
import type { ZygoteHandle } from '../pool/hand-over.js';
import type { Count, Fd, Milliseconds } from '../units.js';
import type { Environment } from '../zygote/environment.js';
import { encodeSockets } from './inherited-sockets.js';
import { runTrial } from './trial-child.js';

// Upgrade in place: the master replaces its own program, with the same pid and the same listening sockets, while the
// workers of the old one serve. First the new program is started beside it and has to prove that it can do the job.

/** Tells the new program that it is on trial: start every pool, prove it, and end. */
const TRIAL_MARK = 'TSFPM_TRIAL';
/** Tells the new program that it takes over, and from whom: control channels of the old zygotes. */
export const TAKEOVER_MARK = 'TSFPM_TAKEOVER';
const TRIAL_PATIENCE_MS: Milliseconds = 60_000;

const STANDARD_FDS: readonly Fd[] = [0, 1, 2];

/** What the program before this one has left, beside its listening sockets. */
export interface Takeover {
  /** Its service ran in the background. */
  readonly isBackground: boolean;
  readonly zygotes: readonly ZygoteHandle[];
  /** Those of its sockets that systemd had lent it. */
  readonly lentFds: readonly Fd[];
  readonly pidFile: string | undefined;
  /** What descriptor 2 was at the start of the service, where it is something else now. */
  readonly stderrFd: Fd | undefined;
  /** How often this process had to restart in place for a mistake of its program, and when last. */
  readonly restarts: { readonly count: Count; readonly lastMs: Milliseconds } | undefined;
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
  const takeover = decodeTakeover(text);
  for (const fd of descriptorsOf(takeover)) setCloseOnExec(fd, true);
  if (takeover.stderrFd !== undefined) keepStderr(takeover.stderrFd);
  return takeover;
}

/** Another version may have written it: what it does not say is as if there were none. */
export function decodeTakeover(text: string): Takeover {
  const fields = asRecord(text);
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  return {
    isBackground: fields.isBackground === true,
    zygotes: list(fields.zygotes).filter(isZygote),
    lentFds: list(fields.lentFds).filter(isDescriptor),
    pidFile: typeof fields.pidFile === 'string' ? fields.pidFile : undefined,
    stderrFd: isDescriptor(fields.stderrFd) ? fields.stderrFd : undefined,
    restarts: decodeRestarts(fields.restarts),
  };
}

function descriptorsOf({ zygotes, stderrFd }: Pick<Takeover, 'zygotes' | 'stderrFd'>): Fd[] {
  const ofZygotes = zygotes.flatMap(({ controlFd, requestLog }) =>
    requestLog === undefined ? [controlFd] : [controlFd, requestLog.scoreboardFd],
  );
  return stderrFd === undefined ? ofZygotes : [...ofZygotes, stderrFd];
}

function isZygote(value: unknown): value is ZygoteHandle {
  const { pid, controlFd, requestLog } = { ...(value as Partial<ZygoteHandle> | null) };
  return (
    Number.isInteger(pid) &&
    Number(pid) > 1 &&
    isDescriptor(controlFd) &&
    (requestLog === undefined || isDescriptor(requestLog?.scoreboardFd))
  );
}

function decodeRestarts(value: unknown): Takeover['restarts'] {
  const { count, lastMs } = { ...(value as Partial<NonNullable<Takeover['restarts']>> | null) };
  return Number.isInteger(count) && Number.isFinite(lastMs)
    ? { count: Number(count), lastMs: Number(lastMs) }
    : undefined;
}

function isDescriptor(value: unknown): value is Fd {
  return Number.isInteger(value) && Number(value) > 2;
}

function asRecord(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/**
 * Runs the program that is installed now, on trial.
 *
 * @param stop ends it
 * @returns undefined when it can take over, else why not
 */
export function tryNewProgram(environment: Environment, stop: AbortSignal): Promise<string | undefined> {
  const [program = process.execPath, ...argv] = ownCommand();
  return runTrial(
    { program, argv, environment: { ...environment, [TRIAL_MARK]: '1' } },
    { patienceMs: TRIAL_PATIENCE_MS, stop },
  );
}

export interface HandOver extends Omit<Takeover, 'lentFds' | 'stderrFd'> {
  readonly sockets: readonly InheritedSocket[];
  readonly environment: Environment;
}

/** The command line that this process was started with. */
export function ownCommand(): string[] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
}

/** @returns only if the program could not be replaced; then everything is as before */
export function becomeNewProgram(handOver: HandOver): SystemError {
  const { sockets, zygotes, isBackground, pidFile, restarts, environment } = handOver;
  const lentFds = sockets.filter(({ isLent }) => isLent).map(({ fd }) => fd);
  const takeover: Takeover = { isBackground, zygotes, lentFds, pidFile, stderrFd: keptStderr(), restarts };
  // Node closes its own standard streams on exec, too.
  const passed = [...STANDARD_FDS, ...sockets.map(({ fd }) => fd), ...descriptorsOf(takeover)];
  for (const fd of passed) setCloseOnExec(fd, false);
  const failure = executeInstead(process.execPath, ownCommand(), {
    ...environment,
    ...encodeSockets(sockets),
    [TAKEOVER_MARK]: JSON.stringify(takeover),
  });
  for (const fd of passed) setCloseOnExec(fd, true);
  return failure;
}
