import type { LiveSnapshot } from '../status/live.js';
import type { Count, Pid, Seconds } from '../units.js';

/** The result of a command, which ends its answer. */
export interface ControlResult {
  /** True only if the command was carried out. */
  readonly ok: boolean;
  /** Exit code for the command line: 0 only with `ok`. */
  readonly exitCode: number;
  /** For people: what happened, and why it did not. */
  readonly lines: readonly string[];
  /** For programs; a bigint becomes a number, or text where it is too large for one. */
  readonly data?: unknown;
}

/** Takes a line about the progress of a command. */
export type Tell = (line: string) => void;

/** `finish` is QUIT, `terminate` TERM, `kill` INT. */
export type StopKind = 'finish' | 'terminate' | 'kill';

/** `tsfpm trace`: the backtrace of a worker, or of all workers of a pool. */
export interface TraceRequest {
  /** Name of a pool, or pid of a worker. */
  readonly target: string;
  /** How long to take samples; undefined takes one backtrace. */
  readonly sampleMs?: number | undefined;
  /** Samples per second. */
  readonly hz: number;
}

/**
 * The commands of the control socket. If a method throws, the answer is its message and exit code 70. Only root and the
 * master's own user can call them.
 */
export interface ControlTarget {
  status(): Promise<ControlStatus>;
  /** All pools and workers, for `tsfpm top`. */
  live(): Promise<ControlLive>;
  /** Resolves when the new generation serves, or once it is known that the old one goes on. */
  reload(tell: Tell): Promise<ControlResult>;
  reopen(): Promise<ControlResult>;
  /** Resolves when the stop has begun; its sender watches the process until it ends. */
  stop(kind: StopKind): Promise<ControlResult>;
  /**
   * Resolves only if the upgrade is refused. If it begins, this connection ends when the program is replaced, and the
   * sender asks {@link upgraded} on a new one.
   */
  upgrade(tell: Tell): Promise<ControlResult>;
  /** The result of the last upgrade, asked of the program that serves after it; not ok if there was none. */
  upgraded(): Promise<ControlResult>;
  /** @param isWanted false once the sender has disconnected */
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
  /** Version of tsfpm. */
  readonly version: string;
  readonly pid: Pid;
  /** `running`, `reloading`, ... */
  readonly state: string;
  readonly configFile: string;
  readonly startSinceS: Seconds;
  readonly ready: boolean;
  /** Why it is not ready; or `ready`. */
  readonly reason: string;
  readonly reloads: { readonly succeeded: Count; readonly failed: Count; readonly isLastSuccessful: boolean };
}

export interface ControlPoolStatus {
  readonly name: string;
  readonly listen: string;
  readonly processManager: string;
  /** Number of the generation that serves; counts from 1, and on with each reload. */
  readonly generation: Count;
  /** Workers of older generations that still finish a request. */
  readonly draining: Count;
  /** null: an idle ondemand pool has none. undefined: a master of an older version does not tell. */
  readonly zygotePid?: Pid | null | undefined;
  readonly idle: Count;
  readonly active: Count;
  readonly maxChildren: Count;
  readonly listenQueue: Count;
  readonly requests: bigint | number | string;
  readonly slowRequests: bigint | number | string;
  /** Clients that got 503 from the listen queue, and those that had left it. undefined: as above. */
  readonly refused?: Count | undefined;
  readonly gone?: bigint | number | string | undefined;
  /** Kept connections that no worker holds: between two requests, and with one that waits. undefined: as above. */
  readonly keptIdle?: Count | undefined;
  readonly keptReady?: Count | undefined;
  /** Why it cannot start workers. */
  readonly trouble?: string | undefined;
}
