import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { errorText } from '../errors.js';
import { startChild } from '../os/child.js';
import { systemFailure } from '../os/libc.js';
import type { Fd, Pid } from '../units.js';
import { KEEPER_ENDS } from './layout.js';

/** dist/src/keeping/ -> dist/runtime/ */
const PROGRAM = fileURLToPath(new URL('../../runtime/tsfpm-keeper', import.meta.url));

/** Whom a keeper becomes; undefined where the master is not root, and it stays what the master is. */
export interface KeeperUser {
  readonly uid: number;
  readonly gid: number;
}

export interface KeeperProcess {
  readonly pid: Pid;
  /** It closes what is idle, passes on what is ready, and ends. */
  finish(): void;
  kill(): void;
}

export interface KeeperOrder {
  /** Shown by ps. */
  readonly pool: string;
  readonly user: KeeperUser | undefined;
  /** The keeper's end of the pair to the workers; it gets a copy, as of the page. */
  readonly socketFd: Fd;
  readonly pageFd: Fd;
}

/**
 * Starts the program that holds a pool's kept connections (src/keeper/main.c).
 *
 * @param onEnd told once how it ended; not where it could not be started
 * @throws Error that says why it cannot be started now
 */
export function startKeeper(
  { pool, user, socketFd, pageFd }: KeeperOrder,
  onEnd: (how: string) => void,
): KeeperProcess {
  const argv = user === undefined ? ['-', '-'] : [String(user.uid), String(user.gid)];
  try {
    const child = startChild(PROGRAM, argv, {
      env: {},
      argv0: `tsfpm: keeper ${pool}`,
      stdio: ['ignore', 'ignore', 'ignore', socketFd, pageFd],
      // A session of its own: Ctrl-C in the master's terminal is for the master alone.
      detached: true,
    });
    const { pid } = child;
    child.on('error', () => {}); // without a pid the reason is told here; else it has just ended
    if (pid === undefined) throw new Error(`'${PROGRAM}' cannot be executed`);
    child.once('exit', (code, signal) => onEnd(endText(code, signal)));
    return { pid, finish: () => void child.kill('SIGTERM'), kill: () => void child.kill('SIGKILL') };
  } catch (error) {
    throw new Error(systemFailure(error) ?? errorText(error));
  }
}

function endText(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `exited on signal ${constants.signals[signal]} (${signal})`;
  const reason = KEEPER_ENDS.get(code ?? 0);
  return `exited with code ${code ?? 0}${reason === undefined ? '' : `: ${reason}`}`;
}
