import type { RestartHistory } from '../lifecycle/mistakes.js';
import { keepStderr } from '../log/starting-stderr.js';
import { setCloseOnExec } from '../os/descriptor.js';
import type { ZygoteHandle } from '../pool/hand-over.js';
import type { Fd } from '../units.js';

// Upgrade in place: the master replaces its own program, with the same pid and the same listening sockets, while the
// workers of the old one serve. Here is what the one leaves for the other, in an environment variable.

/** Tells the new program that it takes over, and from whom: control channels of the old zygotes. */
export const TAKEOVER_MARK = 'TSFPM_TAKEOVER';

/** What the program before this one has left, beside its listening sockets. */
export interface Takeover {
  /** Its service ran in the background. */
  readonly isBackground: boolean;
  readonly zygotes: readonly ZygoteHandle[];
  /** Sockets that systemd had lent to that program. */
  readonly lentFds: readonly Fd[];
  readonly pidFile: string | undefined;
  /** What descriptor 2 was at the start of the service, where it is something else now. */
  readonly stderrFd: Fd | undefined;
  /** How often this process had to restart in place for a mistake of its program, and when last. */
  readonly restarts: RestartHistory | undefined;
}

/**
 * Reads what the program before this one has left. To be asked once, first of all: the mark leaves the environment, and
 * the descriptors are closed on exec again.
 */
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

/** Descriptors that stay open over the exec, besides sockets. */
export function descriptorsOf({ zygotes, stderrFd }: Pick<Takeover, 'zygotes' | 'stderrFd'>): Fd[] {
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

function decodeRestarts(value: unknown): RestartHistory | undefined {
  const { count, lastMs } = { ...(value as Partial<RestartHistory> | null) };
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
