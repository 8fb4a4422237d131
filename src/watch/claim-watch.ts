import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import { type ProcessorTime, processorTime } from '../os/processor-time.js';
import { areSocketsVisible, connectionsOf, type Inode, socketInode, socketsOf } from '../os/socket-inodes.js';
import type { SlotGlance } from '../scoreboard/scoreboard.js';
import type { Count, Fd, Milliseconds, Nanoseconds, Pid } from '../units.js';

export interface ClaimWatchParts {
  readonly pool: Pick<PoolConfig, 'name' | 'requestTerminateTimeout'>;
  readonly log: MasterLog;
  readonly listenFd: Fd;
  readonly workers: () => readonly { readonly slot: number; readonly pid: Pid }[];
  readonly glance: (slot: number) => SlotGlance | undefined;
  readonly kill: (slot: number, pid: Pid) => void;
  /** The watch sees less than it should; called once at most, with the first worker. */
  readonly onBlind: (line: string) => void;
}

/** What one check of a worker found: what its slot says, and what the kernel says. */
export interface Observation {
  readonly atNs: Nanoseconds;
  /** undefined: its slot cannot be read. */
  readonly glance: SlotGlance | undefined;
  readonly processorTime: ProcessorTime | undefined;
  /** It has a connection that came in by the pool's listening socket. */
  readonly holdsClient: boolean;
}

/** A contradiction that every check since has found. */
export interface Doubt {
  readonly sinceNs: Nanoseconds;
  readonly checks: Count;
  /** What is wrong, behind `child N`. */
  readonly text: string;
}

const NS_PER_MS = 1_000_000;
/** More than the time that a client has for its first byte, which is no request yet: 5 s in php-cgi. */
const SLACK_NS: Nanoseconds = 6_000_000_000n;
const SHORTEST_PAUSE_MS: Milliseconds = 1000;
const LONGEST_PAUSE_MS: Milliseconds = 5000;
/** Workers that are checked in one turn of the event loop. A check takes some 60 us. */
const CHECKS_A_TURN: Count = 50;
/**
 * The part of the time that an idle worker may run at most: one that is woken for every client uses some hundredths.
 */
const MOST_IDLE_RUN = 0.1;
/** Like {@link MOST_IDLE_RUN}, with the time that it waits for a processor: on a busy machine a worker runs little. */
const MOST_IDLE_READY = 0.5;

/**
 * @param before what the last check of the same worker found
 * @returns what cannot be true for long of a worker that writes its slot correctly
 */
export function contradiction(seen: Observation, before: Observation | undefined): string | undefined {
  const { glance, atNs } = seen;
  if (glance === undefined) return 'cannot be read in the scoreboard';
  const { stage, requestStartNs, idleSinceNs } = glance;
  const isUnchanged = before?.glance?.stage === stage && before.glance.idleSinceNs === idleSinceNs;
  switch (stage) {
    case 'starting':
      return 'has not begun to serve';
    case 'accepting':
    case 'waiting':
      if (!isUnchanged) return undefined;
      if (isAtWork(seen, before)) return 'says that it is idle, and is at work';
      return stage === 'accepting' && seen.holdsClient
        ? "says that it is idle, and has a client's connection"
        : undefined;
    case 'reading headers':
      if (requestStartNs > atNs) return 'says that its request is yet to begin';
      // While nothing has come on a connection the slot shows the start of the request before.
      return isUnchanged && requestStartNs < idleSinceNs ? 'waits for the first byte of a client' : undefined;
    default:
      if (requestStartNs > atNs) return 'says that its request is yet to begin';
      return requestStartNs < idleSinceNs ? 'says that its request began before it was idle' : undefined;
  }
}

function isAtWork(seen: Observation, before: Observation): boolean {
  if (seen.processorTime === undefined || before.processorTime === undefined) return false;
  const wallNs = Number(seen.atNs - before.atNs);
  const runNs = Number(seen.processorTime.runNs - before.processorTime.runNs);
  const waitNs = Number(seen.processorTime.waitNs - before.processorTime.waitNs);
  return runNs >= wallNs * MOST_IDLE_RUN || runNs + waitNs >= wallNs * MOST_IDLE_READY;
}

export function nextDoubt(
  doubt: Doubt | undefined,
  seen: Observation,
  before: Observation | undefined,
): Doubt | undefined {
  const text = contradiction(seen, before);
  if (text === undefined) return undefined;
  return { sinceNs: doubt?.sinceNs ?? before?.atNs ?? seen.atNs, checks: (doubt?.checks ?? 0) + 1, text };
}

interface Watched {
  readonly pid: Pid;
  readonly seen: Observation;
  readonly doubt: Doubt | undefined;
  /** Sockets that are no client's. They are remembered so that most checks need none of the kernel's tables. */
  readonly otherSockets: ReadonlySet<Inode>;
}

/**
 * `request_terminate_timeout` for workers with false slots. What a worker writes into its slot is a claim. A worker
 * whose claims contradict each other, or what the kernel knows of its process, for longer than a request may take, is
 * killed. Where claims are true RequestWatch is enough.
 */
export class ClaimWatch {
  readonly #parts: ClaimWatchParts;
  readonly #longestNs: Nanoseconds;
  readonly #listening: Inode;
  readonly #watchedBySlot = new Map<number, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #isVisibilityChecked = false;

  constructor(parts: ClaimWatchParts) {
    this.#parts = parts;
    this.#longestNs = BigInt(Math.round(parts.pool.requestTerminateTimeout * 1e9));
    this.#listening = socketInode(parts.listenFd);
  }

  /** There is a worker. */
  wake(): void {
    if (this.#longestNs === 0n || this.#timer !== undefined) return;
    const pauseMs = Number(this.#longestNs) / NS_PER_MS / 4;
    this.#timer = setInterval(
      () => this.#checkWorkers(),
      Math.min(Math.max(pauseMs, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS),
    ).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#turn);
    this.#timer = this.#turn = undefined;
    this.#watchedBySlot.clear();
  }

  #checkWorkers(): void {
    const workers = this.#parts.workers();
    if (workers.length === 0) this.stop();
    else if (this.#turn === undefined) this.#checkAll(workers);
  }

  #checkAll([...workers]: readonly { readonly slot: number; readonly pid: Pid }[]): void {
    this.#turn = undefined;
    let clients: ReadonlySet<Inode> | undefined;
    const isClient = (inode: Inode) => {
      clients ??= connectionsOf(this.#listening);
      return clients.has(inode);
    };
    for (const { slot, pid } of workers.splice(0, CHECKS_A_TURN)) this.#check(slot, pid, isClient);
    if (workers.length > 0) this.#turn = setImmediate(() => this.#checkAll(workers));
  }

  #checkVisibility(pid: Pid): void {
    if (this.#isVisibilityChecked) return;
    this.#isVisibilityChecked = true;
    if (!areSocketsVisible(pid))
      this.#parts.onBlind(
        'request_terminate_timeout does not see a worker that sleeps and calls itself idle: the master may not look ' +
          'into its workers (it lacks CAP_SYS_PTRACE, or the system forbids tracing)',
      );
  }

  #check(slot: number, pid: Pid, isClient: (inode: Inode) => boolean): void {
    this.#checkVisibility(pid);
    const known = this.#watchedBySlot.get(slot);
    const watched = known?.pid === pid ? known : undefined;
    const glance = this.#parts.glance(slot);
    const isIdle = glance?.stage === 'accepting' || glance?.stage === 'waiting';
    const otherSockets = watched?.otherSockets ?? new Set([this.#listening]);
    const sockets = glance?.stage === 'accepting' ? socketsOf(pid) : [];
    const newSockets = sockets.filter((inode) => !otherSockets.has(inode));
    const clientSockets = newSockets.filter(isClient);
    const seen: Observation = {
      atNs: process.hrtime.bigint(),
      glance,
      processorTime: isIdle ? processorTime(pid) : undefined,
      holdsClient: clientSockets.length > 0,
    };
    const doubt = nextDoubt(watched?.doubt, seen, watched?.seen);
    this.#watchedBySlot.set(slot, {
      pid,
      seen,
      doubt,
      // Sockets that it has closed are forgotten, because the kernel uses inode numbers again.
      otherSockets:
        glance?.stage === 'accepting'
          ? new Set([this.#listening, ...sockets.filter((inode) => !clientSockets.includes(inode))])
          : otherSockets,
    });
    if (doubt === undefined || doubt.checks < 2 || seen.atNs - doubt.sinceNs < this.#longestNs + SLACK_NS)
      return;
    const { pool, log, kill } = this.#parts;
    const seconds = Number((seen.atNs - doubt.sinceNs) / 1_000_000_000n);
    log.warning(
      `[pool ${pool.name}] child ${pid} ${doubt.text}, for ${seconds} sec: ` +
        'request_terminate_timeout ends it, killing it',
      { pool: pool.name, pid },
    );
    kill(slot, pid);
  }
}
