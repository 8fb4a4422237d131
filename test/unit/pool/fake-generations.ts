import type { AccessLogs } from '../../../src/log/access-logs.js';
import type { MasterLog } from '../../../src/log/master-log.js';
import type { ExitStatus } from '../../../src/os/process.js';
import type { Generation, GenerationListener, GenerationTools } from '../../../src/pool/generation.js';
import type { GenerationOrder, GenerationSource } from '../../../src/pool/start-generation.js';
import type { EndedWorker } from '../../../src/pool/worker-table.js';
import { Scoreboard } from '../../../src/scoreboard/scoreboard.js';
import type { Question } from '../../../src/zygote/control-frames.js';
import type { Orphans } from '../../../src/zygote/orphans.js';
import { OWN_STARTS } from '../../../src/zygote/templates.js';
import type { FakeLog } from '../../helpers/fake-log.js';

interface FakeWorker {
  readonly slot: number;
  readonly pid: number;
  readonly startedAtMs: number;
  isReady: boolean;
}

/** A generation without a process: its workers do what the test says. */
export class FakeGeneration {
  readonly plan;
  readonly scoreboard;
  readonly order: GenerationOrder;
  isRunning = false;
  isUpToDate = true;
  isDraining = false;
  #isEnded = false;
  readonly zygote = undefined;
  readonly zygotePid = 99;
  proof: string | undefined;
  readonly #listener: GenerationListener;
  readonly #startFailure: string | undefined;
  readonly #workers: FakeWorker[] = [];
  readonly #nextPid: () => number;

  constructor(
    order: GenerationOrder,
    listener: GenerationListener,
    parts: { startFailure: string | undefined; proof: string | undefined; nextPid: () => number },
  ) {
    this.order = order;
    this.plan = { pool: order.plan.config, number: order.number, binary: 'php-cgi' };
    this.scoreboard = new Scoreboard('tsfpm test', order.plan.config.pmMaxChildren);
    this.#listener = listener;
    this.#startFailure = parts.startFailure;
    this.#nextPid = parts.nextPid;
    this.proof = parts.proof;
  }

  get workerCount(): number {
    return this.#workers.length;
  }

  get pids(): number[] {
    return this.#workers.map(({ pid }) => pid);
  }

  workers(): FakeWorker[] {
    return [...this.#workers];
  }

  async start(): Promise<string | undefined> {
    this.isRunning = this.#startFailure === undefined;
    if (!this.isRunning) this.#end();
    return this.#startFailure;
  }

  async prove(): Promise<string | undefined> {
    return this.proof;
  }

  fork(): void {
    const pid = this.#nextPid();
    this.#workers.push({ slot: this.#workers.length, pid, startedAtMs: 0, isReady: false });
    this.#listener.onWorkerStarted(pid);
  }

  /** Every worker has reached accept. */
  allReady(): void {
    for (const worker of this.#workers) {
      if (worker.isReady) continue;
      worker.isReady = true;
      this.#listener.onWorkerReady(worker.pid);
    }
  }

  /** The first worker ends. */
  endOne(status: ExitStatus, more: Partial<EndedWorker> = {}): void {
    const [worker] = this.#workers.splice(0, 1);
    if (worker === undefined) throw new Error('there is no worker');
    this.#listener.onWorkerEnded({
      pid: worker.pid,
      slot: worker.slot,
      status,
      ageMs: 5,
      accepted: 0,
      wasRetired: false,
      wasOverdue: false,
      endReason: undefined,
      wasTimedOut: false,
      ...more,
    });
  }

  loseZygote(reason: string): void {
    this.isRunning = false;
    this.#listener.onZygoteLost(reason);
    this.drain();
  }

  /** A worker asks for a page. */
  ask(question: Question): Buffer | undefined {
    let answer: Buffer | undefined;
    this.#listener.onAsked(question, (bytes) => {
      answer = bytes;
    });
    return answer;
  }

  /** Workers that drain are done with what they had in hand. */
  finish(): void {
    while (this.#workers.length > 0) this.endOne({ kind: 'exited', code: 0 }, { wasRetired: true });
    this.#end();
  }

  drain(): void {
    this.isRunning = false;
    this.isDraining = true;
    if (this.#workers.length === 0) this.#end();
  }

  killWorkers(): void {
    this.drain();
    if (this.#workers.length > 0) this.finish();
  }

  async untilNobodyAccepts(): Promise<void> {}
  arm(): void {}
  retire(): void {}

  kill(): void {
    this.drain();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#listener.onEnded();
    this.scoreboard.close();
  }
}

/** Generations as a pool orders them, and why some of them cannot be. */
export class FakeGenerations implements GenerationSource {
  readonly made: FakeGeneration[] = [];
  /** What php-cgi is refused for, by pool. */
  readonly refusals = new Map<string, string>();
  /** Why the next generation of a pool does not start. */
  startFailure: (pool: string) => string | undefined = () => undefined;
  /** Why the first worker of a pool's next generation does not answer. */
  proof: (pool: string) => string | undefined = () => undefined;
  #pid = 100;

  get last(): FakeGeneration {
    const last = this.made.at(-1);
    if (last === undefined) throw new Error('none was made');
    return last;
  }

  /** The youngest of a pool. */
  of(pool: string): FakeGeneration {
    const found = this.made.findLast(({ plan }) => plan.pool.name === pool);
    if (found === undefined) throw new Error(`none was made for ${pool}`);
    return found;
  }

  check({ config }: GenerationOrder['plan']): string | undefined {
    return this.refusals.get(config.name);
  }

  create(order: GenerationOrder, _tools: GenerationTools, listener: GenerationListener): Generation {
    const { name } = order.plan.config;
    const refusal = this.refusals.get(name);
    if (refusal !== undefined) throw new Error(refusal);
    const generation = new FakeGeneration(order, listener, {
      startFailure: this.startFailure(name),
      proof: this.proof(name),
      nextPid: () => ++this.#pid,
    });
    this.made.push(generation);
    return generation as unknown as Generation;
  }
}

/** What generations without processes need: a log, and a clock that is the test's. */
export function fakeTools(log: FakeLog, nowMs: () => number): GenerationTools {
  return {
    log: log as unknown as MasterLog,
    accessLogs: { keep: () => [] } as unknown as AccessLogs,
    orphans: {} as Orphans,
    zygoteStarts: OWN_STARTS,
    libraryFd: -1,
    nowMs,
  };
}

/** Promises that are settled have been heard of. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}
