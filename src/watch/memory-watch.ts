import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import { isSharingVisible, privateMemory, privateMemoryBound } from '../os/process-memory.js';
import type { Scoreboard, SlotSnapshot } from '../scoreboard/scoreboard.js';
import { mebibytesText } from '../text/figures.js';
import type { Bytes, Count, Milliseconds, Nanoseconds, Pid } from '../units.js';
import { decideRecycling, type MemoryLimits, type WeighedWorker } from './recycling.js';
import { requestText } from './request-words.js';

/** What the master knows of a worker without reading its slot. */
interface LimitedWorker {
  readonly pid: Pid;
  readonly slot: number;
  readonly isReady: boolean;
  readonly isLeaving: boolean;
  /** Why it leaves, where that is not for want of work. */
  readonly endReason: string | undefined;
}

/** A generation of workers, as far as their memory is concerned. */
export interface LimitedGeneration {
  readonly plan: { readonly pool: Pick<PoolConfig, 'name' | 'pmMaxMemory' | 'pmMaxMemoryHard'> };
  readonly scoreboard: Pick<Scoreboard, 'snapshot'>;
  /** Workers alive, and forks on their way. */
  readonly workerCount: Count;
  workers(): readonly LimitedWorker[];
  /** Lets the worker end once it is idle. */
  retire(pid: Pid, reason: string): void;
  /** Kills the worker now, if it still has the request in hand that began at that time. */
  killRequest(pid: Pid, requestStartNs: Nanoseconds, reason: string): void;
}

export interface MemoryWatchParts {
  readonly log: MasterLog;
  /** Monotonic. */
  readonly nowMs: () => Milliseconds;
  /** Generations that have workers: in one that drains, too, a request may grow. */
  readonly generations: () => readonly LimitedGeneration[];
  /** The generation that serves. */
  readonly current: () => LimitedGeneration | undefined;
  /** Workers were told to leave, so that others may have to be forked. */
  readonly onRetired: () => void;
}

/** A check takes some ten microseconds for each worker that has served since the last one. */
const CHECK_EVERY_MS: Milliseconds = 1000;

/** Why workers ended, as /metrics counts it. */
const SOFT = 'max_memory';
const HARD = 'max_memory_hard';

/** What the last check found of a worker. */
interface Seen {
  readonly accepted: bigint;
  readonly finished: bigint;
  readonly aboveHardSinceMs: Milliseconds | undefined;
}

/** What this check has found of a worker. */
interface Measurement {
  readonly worker: LimitedWorker;
  readonly snapshot: SlotSnapshot;
  readonly weighed: WeighedWorker;
}

/** `pm.max_memory` and `pm.max_memory_hard` of one pool. A pool without them has no timer. */
export class MemoryWatch {
  readonly #parts: MemoryWatchParts;
  #timer: NodeJS.Timeout | undefined;
  #seen = new Map<Pid, Seen>();
  #isSharingChecked = false;

  constructor(parts: MemoryWatchParts) {
    this.#parts = parts;
  }

  /** After a generation has come or gone: starts or stops the timer, as there is something to watch or not. */
  update(): void {
    const isWanted = this.#parts.generations().some((generation) => isLimited(limitsOf(generation)));
    if (isWanted === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = isWanted ? setInterval(() => this.check(), CHECK_EVERY_MS).unref() : undefined;
  }

  check(): void {
    const seen = new Map<Pid, Seen>();
    for (const generation of this.#parts.generations()) this.#checkGeneration(generation, seen);
    this.#seen = seen;
  }

  #checkGeneration(generation: LimitedGeneration, seen: Map<Pid, Seen>): void {
    const isCurrent = generation === this.#parts.current();
    const limits = limitsOf(generation);
    // Workers of an old generation leave anyway, so the soft limit is of no use there.
    const { softBytes, hardBytes } = isCurrent ? limits : { ...limits, softBytes: 0 };
    if (!isLimited({ softBytes, hardBytes })) return;
    const workers = generation.workers();
    const measurements = workers.flatMap((worker) =>
      this.#measure(worker, generation, { softBytes, hardBytes }, seen),
    );
    const leaving = workers.filter(({ endReason }) => endReason === SOFT || endReason === HARD).length;
    const { retire, kill } = decideRecycling(
      { softBytes, hardBytes },
      measurements.map(({ weighed }) => weighed),
      { leaving, alive: generation.workerCount },
    );
    for (const measurement of measurements) {
      const { pid, bytes } = measurement.weighed;
      if (kill.includes(pid)) this.#kill(measurement, generation, hardBytes);
      else if (retire.includes(pid))
        this.#retire(measurement, generation, bytes > hardBytes && hardBytes > 0);
    }
    if (retire.length > 0 && isCurrent) this.#parts.onRetired();
  }

  #measure(
    worker: LimitedWorker,
    generation: LimitedGeneration,
    { softBytes, hardBytes }: MemoryLimits,
    seen: Map<Pid, Seen>,
  ): Measurement[] {
    const { pid, slot, isLeaving } = worker;
    this.#checkSharing(worker, generation.plan.pool.name);
    const snapshot = worker.isReady ? generation.scoreboard.snapshot(slot) : undefined;
    if (snapshot === undefined || snapshot.accepted === 0n) return [];
    const { accepted, finished } = snapshot;
    const before = this.#seen.get(pid);
    const isBusy = snapshot.stage !== 'accepting' && snapshot.stage !== 'waiting';
    const isUnchanged = before?.accepted === accepted && before.finished === finished;
    if (isUnchanged && !isBusy) {
      seen.set(pid, before);
      return [];
    }
    const lowest = softBytes > 0 && !isLeaving ? softBytes : hardBytes;
    const bytes = lowest > 0 && (privateMemoryBound(pid) ?? 0) > lowest ? (privateMemory(pid) ?? 0) : 0;
    const nowMs = this.#parts.nowMs();
    const isAboveHard = hardBytes > 0 && bytes > hardBytes;
    const since = isAboveHard ? (before?.aboveHardSinceMs ?? nowMs) : undefined;
    seen.set(pid, {
      accepted,
      // A worker that has to leave, but not before others have, is checked again though it has served nothing.
      finished: bytes > lowest && !isLeaving ? -1n : finished,
      aboveHardSinceMs: since,
    });
    const aboveHardForMs = before?.aboveHardSinceMs === undefined ? undefined : nowMs - (since ?? nowMs);
    return [{ worker, snapshot, weighed: { pid, bytes, isBusy, isLeaving, aboveHardForMs } }];
  }

  /** Once, with the first worker: that limits are reached too early must not come as a surprise. */
  #checkSharing({ pid, isReady }: LimitedWorker, pool: string): void {
    if (this.#isSharingChecked || !isReady) return;
    const isVisible = isSharingVisible(pid);
    this.#isSharingChecked = isVisible !== undefined;
    if (isVisible === false)
      this.#parts.log.warning(
        `[pool ${pool}] pm.max_memory counts what workers share with their zygote as well: the master may not look ` +
          'into them (it lacks CAP_SYS_PTRACE, or the kernel has no smaps_rollup)',
        { pool },
      );
  }

  #retire({ worker, snapshot, weighed }: Measurement, generation: LimitedGeneration, isHard: boolean): void {
    const { name } = generation.plan.pool;
    const { softBytes, hardBytes } = limitsOf(generation);
    const [directive, limit] = isHard ? [`pm.${HARD}`, hardBytes] : [`pm.${SOFT}`, softBytes];
    const when = !weighed.isBusy
      ? 'replacing it'
      : isHard
        ? 'killing it unless its request ends at once'
        : 'replacing it after its request';
    this.#parts.log.notice(
      `[pool ${name}] child ${worker.pid} has ${mebibytesText(weighed.bytes)} of private memory ` +
        `after ${plural(snapshot.accepted)}, ${directive} is ${mebibytesText(limit)}; ${when}`,
      { pool: name, pid: worker.pid },
    );
    generation.retire(worker.pid, isHard ? HARD : SOFT);
  }

  #kill({ worker, snapshot, weighed }: Measurement, generation: LimitedGeneration, hardBytes: Bytes): void {
    const { name } = generation.plan.pool;
    const seconds = (Number(process.hrtime.bigint() - snapshot.requestStartNs) / 1e9).toFixed(6);
    this.#parts.log.warning(
      `[pool ${name}] child ${worker.pid}, ${requestText(snapshot)} ` +
        `has ${mebibytesText(weighed.bytes)} of private memory, ` +
        `pm.${HARD} is ${mebibytesText(hardBytes)} (${seconds} sec), terminating`,
      { pool: name, pid: worker.pid },
    );
    generation.killRequest(worker.pid, snapshot.requestStartNs, HARD);
  }
}

function limitsOf({ plan }: LimitedGeneration): MemoryLimits {
  return { softBytes: plan.pool.pmMaxMemory, hardBytes: plan.pool.pmMaxMemoryHard };
}

function isLimited({ softBytes, hardBytes }: MemoryLimits): boolean {
  return softBytes > 0 || hardBytes > 0;
}

function plural(requests: bigint | Count): string {
  return `${requests} request${requests === 1n ? '' : 's'}`;
}
