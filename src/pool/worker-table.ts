import { ProtocolError } from '../errors.js';
import type { ExitStatus } from '../os/process.js';
import type { ProcessHandle } from '../os/process-handle.js';
import type { Count, Milliseconds, Nanoseconds, Pid } from '../units.js';
import type { Leaver } from '../watch/leave-watch.js';
import type { WorkerOutput } from '../zygote/worker-output.js';

/** A worker from the moment its zygote reported the fork until its end is reported. */
export interface RunningWorker {
  readonly slot: number;
  readonly pid: Pid;
  /**
   * undefined: when the fork was reported, the kernel knew no such child of the zygote. Such a worker is never
   * signalled.
   */
  readonly process: ProcessHandle | undefined;
  /** Only without a process: the zygote must report its end before it answers the echo of this number. */
  readonly endsBeforeEcho: Count | undefined;
  readonly startedAtMs: Milliseconds;
  readonly output: WorkerOutput;
  /** It serves only the master, which checks with it that workers of this generation answer. */
  readonly isProbe: boolean;
  /** It has reached accept. */
  isReady: boolean;
  /** When it alone was told to end once it is idle; undefined: it was not. */
  leavesSinceNs: Nanoseconds | undefined;
  /** It was sent SIGKILL, for whatever reason. */
  isKilled: boolean;
  /** See {@link EndedWorker.wasOverdue}. */
  isOverdue: boolean;
  /** What it said of itself was not true for longer than a request may take. */
  isLiar: boolean;
  /** See {@link EndedWorker.endReason}. */
  endReason: string | undefined;
}

type ForkFacts = 'slot' | 'pid' | 'process' | 'endsBeforeEcho' | 'startedAtMs' | 'output' | 'isProbe';

/** A worker that has done nothing yet, and was told nothing. */
export function newWorker(facts: Pick<RunningWorker, ForkFacts>): RunningWorker {
  return {
    ...facts,
    isReady: false,
    leavesSinceNs: undefined,
    isKilled: false,
    isOverdue: false,
    isLiar: false,
    endReason: undefined,
  };
}

/** What other files may know of a worker. None of it comes from the worker's slot of the scoreboard. */
export interface KnownWorker {
  readonly slot: number;
  readonly pid: Pid;
  readonly startedAtMs: Milliseconds;
  /** The kernel confirmed that it descends from the zygote; only then may it be signalled or traced. */
  readonly isHeld: boolean;
  readonly isKilled: boolean;
  readonly isReady: boolean;
  readonly isLeaving: boolean;
  readonly endReason: string | undefined;
}

/** A worker that has ended. */
export interface EndedWorker {
  readonly pid: Pid;
  /** Its slot of the scoreboard still tells what it was doing. */
  readonly slot: number;
  /** undefined where its zygote died with it and took the status along. */
  readonly status: ExitStatus | undefined;
  readonly ageMs: Milliseconds;
  /** Requests that it had begun, by its own account. */
  readonly accepted: Count;
  /** It had been told to end. */
  readonly wasRetired: boolean;
  /** It had nothing in hand and did not end when told to, so that it was killed. */
  readonly wasOverdue: boolean;
  /** Why it was told to end or killed, where that was not for want of work; /metrics counts by it. */
  readonly endReason: string | undefined;
  /** Its request took longer than `request_terminate_timeout`, and had to end. */
  readonly wasTimedOut: boolean;
}

export function endedWorker(
  worker: RunningWorker,
  end: Pick<EndedWorker, 'status' | 'accepted'> & {
    readonly nowMs: Milliseconds;
    readonly hasTimedOut: boolean;
  },
): EndedWorker {
  return {
    pid: worker.pid,
    slot: worker.slot,
    status: end.status,
    ageMs: end.nowMs - worker.startedAtMs,
    accepted: end.accepted,
    wasRetired: worker.leavesSinceNs !== undefined,
    wasOverdue: worker.isOverdue,
    endReason: worker.endReason,
    wasTimedOut: worker.isLiar || end.hasTimedOut,
  };
}

/** A worker that is to end, with its entry of the table. */
export interface LeavingWorker extends Leaver {
  readonly worker: RunningWorker;
}

/**
 * The workers of one generation by their slot of the scoreboard, as the zygote reported them. It refuses reports that
 * contradict each other: signals of a root process go to the pids in it.
 */
export class WorkerTable {
  readonly #slotCount: Count;
  /** Forks that the zygote was asked for and has not reported. */
  readonly #forksBySlot = new Map<number, { readonly isProbe: boolean }>();
  readonly #runningBySlot = new Map<number, RunningWorker>();
  #allLeaveSinceNs: Nanoseconds | undefined;

  constructor(slotCount: Count) {
    this.#slotCount = slotCount;
  }

  /** No worker, probe or fork on its way is left. */
  get isEmpty(): boolean {
    return this.#forksBySlot.size === 0 && this.#runningBySlot.size === 0;
  }

  /** Workers alive, and forks on their way; without the probe. */
  get workerCount(): Count {
    let count = 0;
    for (const { isProbe } of this.#forksBySlot.values()) if (!isProbe) count++;
    for (const { isProbe } of this.#runningBySlot.values()) if (!isProbe) count++;
    return count;
  }

  /** Workers alive, the probe included. */
  running(): Iterable<RunningWorker> {
    return this.#runningBySlot.values();
  }

  /** Workers alive in the order of their slots, without the probe. */
  known(): KnownWorker[] {
    return [...this.#runningBySlot.values()]
      .filter(({ isProbe }) => !isProbe)
      .sort((a, b) => a.slot - b.slot)
      .map(({ slot, pid, startedAtMs, process, isKilled, isReady, leavesSinceNs, endReason }) => ({
        slot,
        pid,
        startedAtMs,
        isHeld: process !== undefined,
        isKilled,
        isReady,
        isLeaving: leavesSinceNs !== undefined,
        endReason,
      }));
  }

  freeSlot(): number | undefined {
    for (let slot = 0; slot < this.#slotCount; slot++)
      if (!this.#forksBySlot.has(slot) && !this.#runningBySlot.has(slot)) return slot;
    return undefined;
  }

  /** The zygote is being asked for a fork into that free slot. */
  beginFork(slot: number, { isProbe }: { readonly isProbe: boolean }): void {
    this.#forksBySlot.set(slot, { isProbe });
  }

  /**
   * The zygote reports that a fork failed.
   *
   * @throws ProtocolError where none was on its way
   */
  failFork(slot: number): { readonly isProbe: boolean } {
    const fork = this.#expectFork(slot);
    this.#forksBySlot.delete(slot);
    return fork;
  }

  /**
   * Checks what the zygote reports of a fork, before anything is done with the pid.
   *
   * @param ownPid the master's
   * @throws ProtocolError where none was on its way, or that pid cannot be a new worker's
   */
  checkFork(slot: number, pid: Pid, ownPid: Pid): { readonly isProbe: boolean } {
    const fork = this.#expectFork(slot);
    if (pid <= 1 || pid === ownPid || this.withPid(pid) !== undefined)
      throw new ProtocolError(`a worker with pid ${pid}`);
    return fork;
  }

  /** After {@link checkFork}. */
  add(worker: RunningWorker): void {
    this.#forksBySlot.delete(worker.slot);
    this.#runningBySlot.set(worker.slot, worker);
  }

  remove({ slot }: RunningWorker): void {
    this.#runningBySlot.delete(slot);
  }

  /** The zygote has ended: forks on their way come no more. */
  dropForks(): void {
    this.#forksBySlot.clear();
  }

  withPid(pid: Pid): RunningWorker | undefined {
    for (const worker of this.#runningBySlot.values()) if (worker.pid === pid) return worker;
    return undefined;
  }

  /** @returns undefined where that worker has ended; another may be in its slot */
  find(slot: number, pid: Pid): RunningWorker | undefined {
    const worker = this.#runningBySlot.get(slot);
    return worker?.pid === pid ? worker : undefined;
  }

  /**
   * The worker that a message of the zygote is about.
   *
   * @throws ProtocolError where there is no such worker
   */
  expect(slot: number, pid: Pid): RunningWorker {
    const worker = this.find(slot, pid);
    if (worker === undefined) throw new ProtocolError(`slot ${slot} does not hold pid ${pid}`);
    return worker;
  }

  /** The probe, or only that it is about to be forked; undefined where there is none. */
  get probe(): RunningWorker | 'forking' | undefined {
    for (const { isProbe } of this.#forksBySlot.values()) if (isProbe) return 'forking';
    for (const worker of this.#runningBySlot.values()) if (worker.isProbe) return worker;
    return undefined;
  }

  /**
   * The zygote has answered that many echoes.
   *
   * @throws ProtocolError for a worker that should have been reported as ended by now: its pid was never a worker's
   */
  checkEcho(echoesHeard: Count): void {
    for (const { pid, endsBeforeEcho } of this.#runningBySlot.values())
      if (endsBeforeEcho !== undefined && endsBeforeEcho <= echoesHeard)
        throw new ProtocolError(`a worker with pid ${pid}, which is no child of the zygote`);
  }

  /** Every worker is to end once it is idle, those that are still to be forked included. Counts from the first call. */
  letAllLeave(nowNs: Nanoseconds): void {
    this.#allLeaveSinceNs ??= nowNs;
  }

  get areAllLeaving(): boolean {
    return this.#allLeaveSinceNs !== undefined;
  }

  /** Workers that were told to end and have not been killed, the probe included. */
  leavers(): LeavingWorker[] {
    return [...this.#runningBySlot.values()].flatMap((worker) => {
      const sinceNs = worker.leavesSinceNs ?? this.#allLeaveSinceNs;
      if (worker.isKilled || sinceNs === undefined) return [];
      return [{ slot: worker.slot, pid: worker.pid, sinceNs, worker }];
    });
  }

  #expectFork(slot: number): { readonly isProbe: boolean } {
    const fork = this.#forksBySlot.get(slot);
    if (fork === undefined) throw new ProtocolError(`slot ${slot} is not forking`);
    return fork;
  }
}
