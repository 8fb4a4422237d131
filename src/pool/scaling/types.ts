import type { Bytes, Count, Milliseconds, Pid } from '../../units.js';
import type { IdleWindow } from './idle-window.js';
import type { SpawnBucket } from './spawn-rate.js';

/** What the file says about the number of workers of a pool. */
export interface ScalingSettings {
  readonly pm: 'static' | 'dynamic' | 'ondemand';
  /** `pm.max_children`, from 1 */
  readonly maxChildren: Count;
  /** `pm.start_servers`; dynamic only */
  readonly startServers: Count;
  /** `pm.min_spare_servers`; dynamic only */
  readonly minSpare: Count;
  /** `pm.max_spare_servers`; dynamic only */
  readonly maxSpare: Count;
  /** `pm.max_spawn_rate`, forks per second; undefined where the file does not set it: no limit. */
  readonly maxSpawnRate: Count | undefined;
  /** `pm.process_idle_timeout` */
  readonly idleTimeoutMs: Milliseconds;
  /** `pm.zygote_idle_timeout`; 0 is never. ondemand only */
  readonly zygoteIdleTimeoutMs: Milliseconds;
}

/** A worker without a request. */
export interface IdleWorker {
  readonly pid: Pid;
  /** Monotonic, as `nowMs`. */
  readonly startedAtMs: Milliseconds;
  /** Monotonic, when it last became idle. */
  readonly idleSinceMs: Milliseconds;
  /** Whatever measure of its memory there is; only compared with that of the others. */
  readonly memoryBytes: Bytes;
  /** It holds a kept-alive connection that waits for its next request. */
  readonly isKeptAlive: boolean;
}

/**
 * A pool at one moment. Each worker is counted once, in the first that fits of leaving, starting, idle, kept-alive
 * and active. Workers can write some of what these numbers are made of: values that cannot be are clamped to what can.
 */
export interface PoolSnapshot {
  /** Monotonic. */
  readonly nowMs: Milliseconds;
  /** Workers that wait in accept. */
  readonly idle: Count;
  /** Workers that wait for the next request of a kept-alive connection. */
  readonly keptAlive: Count;
  /** Workers with a request. */
  readonly active: Count;
  /** Forks that were asked for and do not wait in accept yet. */
  readonly starting: Count;
  /** Workers that were told to end and are still there. */
  readonly leaving: Count;
  /**
   * Connections in the listen queue that want a worker. Where the kernel does not tell how many, 1 is some: the pool
   * grows one by one.
   */
  readonly queued: Count;
  /** How many `active` workers have a client that has sent nothing, where known; default 0. They count as spare. */
  readonly silent?: Count;
  /**
   * Fewest workers in accept at any moment since the last call, where the scoreboard keeps that; undefined: unknown,
   * then only the moments of the calls are known, and load that comes and goes in between is not seen.
   */
  readonly lowestIdle: Count | undefined;
  /** How many more workers `process.max` allows; Infinity without it. */
  readonly room: Count;
  /** An ondemand pool has none until its first client, and after `pm.zygote_idle_timeout`. */
  readonly hasZygote: boolean;
  /** False while a zygote starts or ends, or while a back-off delay runs. */
  readonly mayFork: boolean;
  /** The idle and kept-alive workers; undefined where they were not read. See {@link Decision.wantsIdleWorkers}. */
  readonly idleWorkers: readonly IdleWorker[] | undefined;
}

/** Workers that stay: all but those that were told to end. */
export function living({ idle, keptAlive, active, starting }: PoolSnapshot): Count {
  return idle + keptAlive + active + starting;
}

/** What the `seems busy` warning tells. */
export interface BusyReport {
  /** Forks within the second. */
  readonly spawning: Count;
  readonly idle: Count;
  /** Workers before the forks of this decision. */
  readonly total: Count;
}

export interface Decision {
  readonly fork: Count;
  /** Workers to let end gracefully: one may take a last request before it learns of it. Fork or retire, never both. */
  readonly retire: readonly Pid[];
  /** The zygote has had no worker for `pm.zygote_idle_timeout`, and nobody waits: it is to end. */
  readonly endsZygote: boolean;
  /** Count it and warn: `pm.max_children` was reached. Once for each episode. */
  readonly isMaxChildrenReached: boolean;
  /** `process.max` allows fewer forks than the pool needs. */
  readonly isRoomMissing: boolean;
  /** Warn: the pool forks many workers in short time. Once for each episode. */
  readonly busy: BusyReport | undefined;
  /** Call at the latest after this time, at least 1; undefined: only on events. */
  readonly callAgainInMs: Milliseconds | undefined;
  /** Tell the master of each new connection (edge-triggered). Then no worker is idle. */
  readonly watchQueue: boolean;
  /**
   * A worker that takes a request and leaves fewer than this in accept tells the master, once; 0: no worker tells.
   * Read the number again after that: it may have fallen just before.
   */
  readonly wakeBelowIdle: Count;
  /** A worker may have to end: call again now, with `idleWorkers`. */
  readonly wantsIdleWorkers: boolean;
  /** For the next call. */
  readonly memory: ScalingMemory;
}

/** What the administrator was told, so that it is not repeated while nothing changes. */
export interface Episodes {
  readonly isMaxTold: boolean;
  readonly isBusyTold: boolean;
  /** Since when there are fewer workers than `pm.max_children` and none is missing; undefined while it is not so. */
  readonly calmSinceMs: Milliseconds | undefined;
  /** Forks are counted by the second, which begins with its first fork. */
  readonly secondFromMs: Milliseconds;
  readonly forksInSecond: Count;
}

/** What is remembered of a pool's generation from one decision to the next; of fixed size, plain data. */
export interface ScalingMemory {
  /** The first fill is done. */
  readonly isFilled: boolean;
  readonly bucket: SpawnBucket;
  readonly episodes: Episodes;
  /** dynamic: how many workers were spare in the last `idleTimeoutMs` */
  readonly window: IdleWindow;
  /** When the worker that has been idle for longest has been so for `idleTimeoutMs`, or earlier. */
  readonly dueAtMs: Milliseconds | undefined;
  /** ondemand: since when there is a zygote without any worker or client; undefined while it is not so. */
  readonly emptySinceMs: Milliseconds | undefined;
  /** Last call at which there was nothing to fork and the master went on listening. */
  readonly listenedAtMs: Milliseconds | undefined;
}
