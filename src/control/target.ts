import type { LiveSnapshot } from '../status/live.js';
import type { Count, Pid, Seconds } from '../units.js';

/** How a command ended; the last thing that its sender hears. */
export interface ControlResult {
  /** What was asked for has truly happened. */
  readonly ok: boolean;
  /** For the command line: 0 only with `ok`. */
  readonly exitCode: number;
  /** For people: what happened, and why it did not. */
  readonly lines: readonly string[];
  /** For programs; a bigint becomes a number, or text where it is too large for one. */
  readonly data?: unknown;
}

/** One line about how it goes on, while it does. */
export type Tell = (line: string) => void;

/** `finish` is QUIT, `terminate` TERM, `kill` INT. */
export type StopKind = 'finish' | 'terminate' | 'kill';

/** Where PHP is in a worker, or in all of a pool. */
export interface TraceRequest {
  /** Name of a pool, or pid of a worker. */
  readonly target: string;
  /** How long to look, and count; without it, once. */
  readonly sampleMs?: number | undefined;
  /** Looks per second. */
  readonly hz: number;
}

/**
 * What the control socket may ask of a master. A method that throws is answered with its message and exit code 70. No
 * method is ever called by anyone but root or the master's own user.
 */
export interface ControlTarget {
  status(): Promise<ControlStatus>;
  /** All pools and workers, for `tsfpm top`. */
  live(): Promise<ControlLive>;
  /** Settles when the new generation serves, or when it is known that the old one goes on. */
  reload(tell: Tell): Promise<ControlResult>;
  reopen(): Promise<ControlResult>;
  /** Settles when the stop has begun; its sender watches the process itself. */
  stop(kind: StopKind): Promise<ControlResult>;
  /**
   * Settles where the upgrade is refused; one that begins ends this connection with the exec, and the sender comes back
   * to ask {@link upgraded}.
   */
  upgrade(tell: Tell): Promise<ControlResult>;
  /** How the last upgrade ended, asked of whichever code serves after it; not ok where there was none. */
  upgraded(): Promise<ControlResult>;
  /** `isWanted` is false once its sender has gone. */
  trace(request: TraceRequest, tell: Tell, isWanted: () => boolean): Promise<ControlResult>;
  /** `-t` of the running master's own file. */
  test(): Promise<ControlResult>;
}

export interface ControlStatus {
  readonly master: ControlMasterStatus;
  readonly pools: readonly ControlPoolStatus[];
}

export interface ControlLive extends LiveSnapshot {
  readonly master: ControlMasterStatus;
}

export interface ControlMasterStatus {
  /** Of tsfpm. */
  readonly version: string;
  readonly pid: Pid;
  /** `running`, `reloading`, ... */
  readonly state: string;
  readonly configFile: string;
  readonly startSinceS: Seconds;
  readonly ready: boolean;
  /** Why not; or `ready`. */
  readonly reason: string;
  readonly reloads: { readonly succeeded: Count; readonly failed: Count; readonly isLastSuccessful: boolean };
}

export interface ControlPoolStatus {
  readonly name: string;
  readonly listen: string;
  readonly processManager: string;
  /** The one that serves; counts reloads from 1. */
  readonly generation: Count;
  /** Workers of older generations that still finish a request. */
  readonly draining: Count;
  readonly idle: Count;
  readonly active: Count;
  readonly maxChildren: Count;
  readonly listenQueue: Count;
  readonly requests: bigint | number | string;
  readonly slowRequests: bigint | number | string;
  /** Why it cannot start workers. */
  readonly trouble?: string | undefined;
}
