import { decideScaling, initialScalingMemory } from '../../../../src/pool/scaling/decide.js';
import type {
  Decision,
  IdleWorker,
  PoolSnapshot,
  ScalingMemory,
  ScalingSettings,
} from '../../../../src/pool/scaling/types.js';

// A pool in virtual time: a kernel that wakes workers in turn, workers, a zygote that takes 1 to 3 ms for a fork, and a
// master that calls the decision functions as the real one does. One seed, one course.

export interface Request {
  readonly atMs: number;
  readonly serviceMs: number;
}

export type Random = () => number;

/** Deterministic numbers from 0 to 1 (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface SimulationOptions {
  readonly settings: ScalingSettings;
  readonly requests: Iterable<Request>;
  readonly untilMs: number;
  readonly seed?: number;
  /** The scoreboard keeps the fewest idle workers between two looks. Default true. */
  readonly tellsLowestIdle?: boolean;
  /** The kernel tells the length of the listen queue, not only that there is one. Default true. */
  readonly tellsQueue?: boolean;
  /** Requests after which a worker ends; 0 is never. */
  readonly maxRequests?: number;
}

export interface Course {
  readonly forksAtMs: readonly number[];
  readonly retiredAtMs: readonly number[];
  /** From the connection to the end of the request. */
  readonly latenciesMs: readonly number[];
  readonly decisions: number;
  readonly maxReachedAtMs: readonly number[];
  readonly busyAtMs: readonly number[];
  readonly mostWorkers: number;
  readonly mostActive: number;
  readonly unserved: number;
  /** Broken promises, in words; must be empty. */
  readonly violations: readonly string[];
  readonly workersAt: (ms: number) => number;
  readonly end: { readonly idle: number; readonly workers: number; readonly isTimerSet: boolean };
}

interface Worker {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly memoryBytes: number;
  idleSinceMs: number;
  served: number;
  at: 'starting' | 'idle' | 'active' | 'gone';
  isLeaving: boolean;
}

/** From an event to the master's look at it. */
const MASTER_LATENCY_MS = 0.2;
/** From the decision to the end of an idle worker; it may take a request in between. */
const RETIRE_LATENCY_MS = 0.5;

export function simulate(options: SimulationOptions): Course {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #agenda = new Agenda();
  readonly #workers = new Set<Worker>();
  /** In the order in which the kernel wakes them. */
  readonly #acceptors = new Fifo<Worker>();
  readonly #queue = new Fifo<Request>();
  readonly #requests: Iterator<Request>;
  readonly #course = {
    forksAtMs: [] as number[],
    retiredAtMs: [] as number[],
    latenciesMs: [] as number[],
    maxReachedAtMs: [] as number[],
    busyAtMs: [] as number[],
    violations: [] as string[],
    decisions: 0,
    mostWorkers: 0,
    mostActive: 0,
  };
  readonly #counts = { starting: 0, idle: 0, active: 0, leaving: 0 };
  readonly #history: { atMs: number; workers: number }[] = [];
  #memory: ScalingMemory;
  #nowMs = 0;
  #lowestIdle = 0;
  #nextPid = 1;
  #watchQueue = false;
  #wakeBelowIdle = 0;
  #isLookDue = false;
  #timer = 0;
  #isTimerSet = false;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = randomFrom(options.seed ?? 1);
    this.#requests = options.requests[Symbol.iterator]();
    this.#memory = initialScalingMemory(options.settings, 0);
  }

  run(): Course {
    this.#look();
    this.#scheduleArrival();
    while (this.#agenda.nextAtMs <= this.#options.untilMs) {
      this.#nowMs = this.#agenda.nextAtMs;
      this.#agenda.take()();
    }
    return {
      ...this.#course,
      unserved: this.#queue.length,
      workersAt: (ms) => this.#history.findLast(({ atMs }) => atMs <= ms)?.workers ?? 0,
      end: { idle: this.#counts.idle, workers: this.#workers.size, isTimerSet: this.#isTimerSet },
    };
  }

  #scheduleArrival(): void {
    const { value, done } = this.#requests.next();
    if (done) return;
    this.#agenda.add(value.atMs, () => {
      this.#arrive(value);
      this.#scheduleArrival();
    });
  }

  #arrive(request: Request): void {
    const worker = this.#nextAcceptor();
    if (worker !== undefined) {
      this.#serve(worker, request);
      return;
    }
    this.#queue.push(request);
    if (!this.#watchQueue) return;
    this.#lookSoon();
  }

  #nextAcceptor(): Worker | undefined {
    for (;;) {
      const worker = this.#acceptors.shift();
      if (worker === undefined || worker.at === 'idle') return worker;
    }
  }

  #serve(worker: Worker, request: Request): void {
    if (worker.at === 'idle') this.#leaveAccept(worker);
    this.#move(worker, 'active');
    this.#agenda.add(this.#nowMs + request.serviceMs, () => {
      this.#course.latenciesMs.push(this.#nowMs - request.atMs);
      worker.served++;
      const isSpent = worker.served === this.#options.maxRequests;
      if (worker.isLeaving || isSpent) this.#end(worker);
      else this.#accept(worker);
    });
  }

  #leaveAccept(worker: Worker): void {
    this.#move(worker, 'active');
    const { idle } = this.#counts;
    this.#lowestIdle = Math.min(this.#lowestIdle, idle);
    if (idle >= this.#wakeBelowIdle) return;
    this.#wakeBelowIdle = 0;
    this.#lookSoon();
  }

  #accept(worker: Worker): void {
    const request = this.#queue.shift();
    if (request !== undefined) {
      this.#serve(worker, request);
      return;
    }
    worker.idleSinceMs = this.#nowMs;
    this.#move(worker, 'idle');
    this.#acceptors.push(worker);
  }

  #end(worker: Worker): void {
    this.#move(worker, 'gone');
    this.#workers.delete(worker);
    this.#history.push({ atMs: this.#nowMs, workers: this.#workers.size });
    this.#lookSoon();
  }

  #move(worker: Worker, at: Worker['at']): void {
    this.#count(worker, -1);
    worker.at = at;
    this.#count(worker, 1);
    this.#course.mostActive = Math.max(this.#course.mostActive, this.#counts.active);
  }

  #count(worker: Worker, step: number): void {
    if (worker.at === 'gone') return;
    this.#counts[worker.isLeaving ? 'leaving' : worker.at] += step;
  }

  #lookSoon(): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    this.#agenda.add(this.#nowMs + MASTER_LATENCY_MS, () => {
      this.#isLookDue = false;
      this.#look();
    });
  }

  #look(): void {
    const first = this.#decide(false);
    const decision = first.wantsIdleWorkers ? this.#decide(true) : first;
    if (decision.wantsIdleWorkers) this.#broken('asks for idle workers that it was given');
    const timer = ++this.#timer;
    const { callAgainInMs } = decision;
    this.#isTimerSet = callAgainInMs !== undefined;
    if (callAgainInMs === undefined) return;
    if (!(callAgainInMs >= 1)) this.#broken(`wants to be called after ${callAgainInMs} ms`);
    this.#agenda.add(this.#nowMs + callAgainInMs, () => {
      if (timer === this.#timer) this.#look();
    });
  }

  #decide(readsWorkers: boolean): Decision {
    const snapshot = this.#snapshot(readsWorkers);
    const decision = decideScaling(this.#options.settings, snapshot, this.#memory);
    this.#memory = decision.memory;
    this.#course.decisions++;
    this.#check(snapshot, decision);
    if (decision.isMaxChildrenReached) this.#course.maxReachedAtMs.push(this.#nowMs);
    if (decision.busy !== undefined) this.#course.busyAtMs.push(this.#nowMs);
    for (let i = 0; i < decision.fork; i++) this.#fork();
    for (const pid of decision.retire) this.#retire(pid);
    this.#lowestIdle = this.#counts.idle;
    this.#listenAs(decision);
    return decision;
  }

  #listenAs({ watchQueue, wakeBelowIdle }: Decision): void {
    const isNew = watchQueue && !this.#watchQueue;
    this.#watchQueue = watchQueue;
    this.#wakeBelowIdle = wakeBelowIdle;
    // As epoll: a socket that is watched anew tells at once of those who wait already.
    if (!isNew || this.#queue.length === 0) return;
    this.#lookSoon();
  }

  #snapshot(readsWorkers: boolean): PoolSnapshot {
    const { tellsLowestIdle = true, tellsQueue = true } = this.#options;
    return {
      nowMs: this.#nowMs,
      ...this.#counts,
      keptAlive: 0,
      queued: tellsQueue ? this.#queue.length : Math.min(this.#queue.length, 1),
      lowestIdle: tellsLowestIdle ? this.#lowestIdle : undefined,
      room: Number.POSITIVE_INFINITY,
      hasZygote: true,
      mayFork: true,
      idleWorkers: readsWorkers ? this.#idleWorkers() : undefined,
    };
  }

  #idleWorkers(): IdleWorker[] {
    return [...this.#workers]
      .filter(({ at, isLeaving }) => at === 'idle' && !isLeaving)
      .map(({ pid, startedAtMs, idleSinceMs, memoryBytes }) => ({
        pid,
        startedAtMs,
        idleSinceMs,
        memoryBytes,
        isKeptAlive: false,
      }));
  }

  #check(snapshot: PoolSnapshot, decision: Decision): void {
    const { settings } = this.#options;
    const isFirst = this.#course.decisions === 1;
    const spare = settings.pm === 'dynamic' ? settings.minSpare : 0;
    const most = this.#queue.length + spare;
    if (settings.pm !== 'static' && !isFirst && decision.fork > most)
      this.#broken(`forks ${decision.fork} where ${most} are enough`);
    if (this.#workers.size + decision.fork > settings.maxChildren)
      this.#broken(`forks beyond pm.max_children: ${this.#workers.size} + ${decision.fork}`);
    if (decision.fork > 0 && decision.retire.length > 0) this.#broken('forks and retires');
    if (decision.watchQueue && snapshot.idle > 0) this.#broken('watches the queue with idle workers');
    if (settings.pm === 'dynamic' && decision.retire.length > snapshot.idle - settings.maxSpare)
      if (decision.retire.length > 0) this.#broken('retires below pm.max_spare_servers');
  }

  #fork(): void {
    const worker: Worker = {
      pid: this.#nextPid++,
      startedAtMs: this.#nowMs,
      idleSinceMs: this.#nowMs,
      memoryBytes: Math.floor(this.#random() * 100) * 2 ** 20,
      served: 0,
      at: 'starting',
      isLeaving: false,
    };
    this.#course.forksAtMs.push(this.#nowMs);
    this.#workers.add(worker);
    this.#history.push({ atMs: this.#nowMs, workers: this.#workers.size });
    this.#course.mostWorkers = Math.max(this.#course.mostWorkers, this.#workers.size);
    this.#count(worker, 1);
    this.#agenda.add(this.#nowMs + 1 + 2 * this.#random(), () => {
      this.#accept(worker);
      this.#lookSoon();
    });
  }

  #retire(pid: number): void {
    const worker = [...this.#workers].find((each) => each.pid === pid);
    if (worker?.at !== 'idle' || worker.isLeaving) {
      this.#broken(`retires ${pid}, which is ${worker?.at ?? 'unknown'}`);
      return;
    }
    this.#course.retiredAtMs.push(this.#nowMs);
    this.#count(worker, -1);
    worker.isLeaving = true;
    this.#count(worker, 1);
    this.#agenda.add(this.#nowMs + RETIRE_LATENCY_MS, () => {
      if (worker.at === 'idle') this.#end(worker);
    });
  }

  #broken(promise: string): void {
    if (this.#course.violations.length < 10)
      this.#course.violations.push(`${this.#nowMs.toFixed(1)} ms: ${promise}`);
  }
}

/** First in, first out, without moving what stays. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head++];
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

/** What happens next; at the same time, in the order in which it was added. A binary heap. */
class Agenda {
  readonly #heap: Entry[] = [];
  #order = 0;

  get nextAtMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, act: () => void): void {
    const entry = { atMs, order: this.#order++, act };
    let at = this.#heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = this.#heap[above];
      if (other === undefined || isBefore(other, entry)) break;
      this.#heap[at] = other;
      at = above;
    }
    this.#heap[at] = entry;
  }

  take(): () => void {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) throw new Error('nothing left to happen');
    if (first !== last) this.#sink(last);
    return first.act;
  }

  #sink(entry: Entry): void {
    let at = 0;
    for (;;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const sooner = isRight ? right : left;
      if (isBefore(entry, sooner)) break;
      this.#heap[at] = sooner;
      at = 2 * at + (isRight ? 2 : 1);
    }
    this.#heap[at] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
