import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import type { Arrivals } from '../os/arrivals.js';
import { listenQueue } from '../os/listen-queue.js';
import { isReadable } from '../os/poll.js';
import type { QueueGuard } from '../overload/queue-guard.js';
import type { HeaderSnapshot, SlotSnapshot } from '../scoreboard/scoreboard.js';
import type { Count, Fd, Milliseconds } from '../units.js';
import type { Generation } from './generation.js';
import type { KeptConnections } from './kept-connections.js';
import type { ProcessBudget } from './process-budget.js';
import { decideScaling, initialScalingMemory } from './scaling/decide.js';
import { busyText, maxChildrenText } from './scaling/messages.js';
import type { Decision, IdleWorker, PoolSnapshot, ScalingMemory, ScalingSettings } from './scaling/types.js';
import { SilentClients } from './silent-clients.js';

/** What a pool's scaler works with. */
export interface ScalerParts {
  readonly config: PoolConfig;
  readonly log: MasterLog;
  readonly arrivals: Arrivals;
  readonly listenFd: Fd;
  readonly budget: ProcessBudget;
  readonly nowMs: () => Milliseconds;
  /** The generation to fork from; undefined while there is none. */
  readonly generation: () => Generation | undefined;
  /** Kept connections with a next request wait as clients in the listen queue do. */
  readonly kept: Pick<KeptConnections, 'counts' | 'readyFd'>;
  /** False while the pool stops, starts a zygote or waits after failures. */
  readonly mayFork: () => boolean;
  /** A worker is wanted and there is no zygote: `pm = ondemand` starts it with the first client. */
  readonly startZygote: () => void;
  /** It has had no worker for `pm.zygote_idle_timeout`. */
  readonly endZygote: () => void;
  /** Told while somebody waits in the queue. */
  readonly queueGuard: Pick<QueueGuard, 'pollEveryMs' | 'onWaiting'>;
}

/**
 * Clients wait in the queue only while no worker is idle. Where no decision needs its length, it is polled this often
 * for `max listen queue`; php-fpm polls it once a second, whatever happens.
 */
const QUEUE_POLL_MS: Milliseconds = 500;

const NO_QUEUE = { length: 0, limit: 0 } as const;

/** Carries out what the functions in scaling/ decide: reads, forks, retires, polls the queue, sets the timer. */
export class Scaler {
  readonly #parts: ScalerParts;
  readonly #settings: ScalingSettings;
  readonly #silentClients: SilentClients;
  #memory: ScalingMemory;
  #timer: NodeJS.Timeout | undefined;
  /** Where clients come from, while each is to be told. */
  readonly #watched: Fd[] = [];
  /** The number of idle workers below which the zygote was last asked to tell, and has not told yet; 0: not asked. */
  #armedFor: Count = 0;
  #maxQueue: Count = 0;
  /** 0: not known yet. */
  #queueLimit: Count = 0;
  /** Until then workers need not tell just for the queue. */
  #restsUntilMs: Milliseconds = Number.NEGATIVE_INFINITY;
  #maxChildrenReached: Count = 0;
  #isStopped = false;
  #hasSocket = true;

  constructor(parts: ScalerParts) {
    this.#parts = parts;
    this.#settings = scalingSettings(parts.config);
    this.#silentClients = new SilentClients(parts.listenFd);
    this.#memory = initialScalingMemory(this.#settings, parts.nowMs());
  }

  /** How often `pm.max_children` kept the pool from growing. */
  get maxChildrenReached(): Count {
    return this.#maxChildrenReached;
  }

  /** The listen queue now, its limit, and the most ever seen; as the kernel tells them. */
  queue(): { readonly length: Count; readonly limit: Count; readonly max: Count } {
    if (this.#isQueueEmpty() && this.#queueLimit > 0)
      return { length: 0, limit: this.#queueLimit, max: this.#maxQueue };
    const { length, limit } = this.#hasSocket ? listenQueue(this.#parts.listenFd) : NO_QUEUE;
    this.#queueLimit = limit;
    this.#maxQueue = Math.max(this.#maxQueue, length);
    if (length > 0 && !this.#isStopped) this.#parts.queueGuard.onWaiting();
    return { length, limit, max: this.#maxQueue };
  }

  /** Known in a tenth of the time that the kernel takes to tell the length; most queues are empty. */
  #isQueueEmpty(): boolean {
    return !this.#hasSocket || !isReadable(this.#parts.listenFd);
  }

  /** Another generation serves: its workers are counted from 0. */
  restart(): void {
    this.#memory = initialScalingMemory(this.#settings, this.#parts.nowMs());
    this.#armedFor = 0;
  }

  /** From here on nothing is decided: what the zygote has told before may still be on its way. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watch(false);
  }

  /** After {@link stop}: the socket is another's now, or closed, and its number may be anything's. */
  letGoOfSocket(): void {
    this.#hasSocket = false;
  }

  /** The zygote has told that few workers are idle. */
  onFewIdle(): void {
    this.#armedFor = 0;
    this.#restsUntilMs = this.#parts.nowMs() + QUEUE_POLL_MS;
    this.decide();
  }

  /** After every event that changes a number. */
  decide(): void {
    if (this.#isStopped) return;
    const { generation, mayFork } = this.#parts;
    const current = generation();
    let snapshot = this.#snapshot(current);
    let decision = decideScaling(this.#settings, snapshot, this.#memory);
    this.#memory = decision.memory;
    if (decision.wantsIdleWorkers && current !== undefined) {
      snapshot = { ...snapshot, idleWorkers: idleWorkers(current, this.#parts.nowMs()) };
      decision = decideScaling(this.#settings, snapshot, this.#memory);
      this.#memory = decision.memory;
    }
    if (decision.fork > 0 && current === undefined && mayFork()) this.#parts.startZygote();
    this.#apply(decision, snapshot, current);
  }

  #apply(decision: Decision, snapshot: PoolSnapshot, current: Generation | undefined): void {
    const { config, log, budget } = this.#parts;
    const fields = { pool: config.name };
    if (decision.isMaxChildrenReached) {
      this.#maxChildrenReached++;
      log.warning(maxChildrenText(config.name, config.pm, config.pmMaxChildren), fields);
    }
    if (decision.busy !== undefined) log.warning(busyText(config.name, decision.busy), fields);
    if (decision.fork > 0 || decision.retire.length > 0)
      log.debug(
        `[pool ${config.name}] currently ${snapshot.active} active children, ${snapshot.idle} spare children, ` +
          `${snapshot.queued} connections waiting; forking ${decision.fork}, letting ${decision.retire.length} go`,
        fields,
      );
    for (let i = 0; i < decision.fork; i++) current?.fork();
    // A shortage is told once until the next fork: first the forks of this round, or they would end its own shortage.
    // Forks that wait for a zygote are none yet.
    if (decision.fork > 0 && current !== undefined) budget.onFork();
    if (decision.isRoomMissing && (decision.fork === 0 || current !== undefined)) budget.tellSpent();
    for (const pid of decision.retire) current?.retire(pid);
    this.#attend(decision, snapshot, current);
    // A client that comes from here on stays in the queue, which is watched: the next decision starts another.
    if (decision.endsZygote) this.#parts.endZygote();
  }

  #attend(decision: Decision, snapshot: PoolSnapshot, current: Generation | undefined): void {
    this.#watch(decision.watchQueue);
    const rests = decision.callAgainInMs !== undefined && decision.callAgainInMs < QUEUE_POLL_MS;
    const isUnwatched =
      decision.wakeBelowIdle === 0 && !decision.watchQueue && !rests && current !== undefined;
    const wakeBelowIdle = isUnwatched ? this.#wakeForQueue(snapshot) : decision.wakeBelowIdle;
    if (wakeBelowIdle !== this.#armedFor && current !== undefined) {
      this.#armedFor = wakeBelowIdle;
      current.arm(wakeBelowIdle);
    }
    this.#comeBackIn(
      decision.callAgainInMs,
      isUnwatched && wakeBelowIdle === 0 ? QUEUE_POLL_MS : undefined,
      this.#silentClients.pollAgainInMs,
      // Where nothing is to be decided, no event tells that somebody waits; idle workers and the watch do.
      snapshot.idle === 0 && !decision.watchQueue ? this.#parts.queueGuard.pollEveryMs : undefined,
    );
  }

  /** Nothing is to be decided: workers tell so that the queue is polled, but not at each request. */
  #wakeForQueue({ nowMs, idle }: PoolSnapshot): Count {
    if (this.#armedFor > 0) return this.#armedFor;
    return idle > 0 && nowMs >= this.#restsUntilMs ? 1 : 0;
  }

  #comeBackIn(...times: readonly (Milliseconds | undefined)[]): void {
    clearTimeout(this.#timer);
    const known = times.filter((time) => time !== undefined);
    this.#timer = known.length === 0 ? undefined : setTimeout(() => this.decide(), Math.min(...known));
  }

  /** There is a keeper from now on. */
  onKeeper(): void {
    if (this.#watched.length === 0) return;
    this.#watch(false);
    this.#watch(true);
  }

  #watch(isWanted: boolean): void {
    if (isWanted === this.#watched.length > 0) return;
    const { arrivals, listenFd, kept } = this.#parts;
    for (const fd of this.#watched.splice(0)) arrivals.unwatch(fd);
    if (!isWanted) return;
    this.#watched.push(listenFd);
    if (kept.readyFd !== undefined) this.#watched.push(kept.readyFd);
    for (const fd of this.#watched) arrivals.watch(fd, () => this.decide());
  }

  #snapshot(current: Generation | undefined): PoolSnapshot {
    const { budget, mayFork, nowMs } = this.#parts;
    const isStatic = this.#settings.pm === 'static';
    const header = current?.scoreboard.header();
    const counts = current === undefined || header === undefined ? NOBODY : countWorkers(current, header);
    if (!isStatic) current?.scoreboard.restartLowestIdle();
    const queued = isStatic && this.#armedFor > 0 ? 0 : this.#queued(counts);
    return {
      nowMs: nowMs(),
      ...counts,
      queued,
      silent: this.#silentWorkers(current, counts, queued),
      lowestIdle: header?.lowestIdle,
      room: budget.room,
      hasZygote: current !== undefined,
      mayFork: mayFork(),
      idleWorkers: undefined,
    };
  }

  /** Clients in the queue that want a worker. */
  #queued({ idle, keptAlive, active, starting }: Counts): Count {
    const queue = this.#isQueueEmpty() ? NO_QUEUE : this.queue();
    const { ready } = this.#parts.kept.counts;
    if (this.#settings.pm === 'static') return queue.length + ready;
    const wanting = this.#silentClients.wanting(queue, {
      free: idle + starting,
      all: idle + keptAlive + active + starting,
      most: this.#settings.maxChildren,
    });
    return wanting + ready;
  }

  /** Workers whose client has sent nothing; counted where that decides whether there are enough spare ones. */
  #silentWorkers(current: Generation | undefined, counts: Counts, queued: Count): Count {
    const { pm, minSpare, maxChildren } = this.#settings;
    const { idle, keptAlive, active, starting } = counts;
    const isSpareMissing = pm === 'dynamic' && queued + minSpare > idle + starting && active > 0;
    if (current === undefined || !isSpareMissing || idle + keptAlive + active + starting >= maxChildren)
      return 0;
    return current.workers().filter(({ slot, isReady }) => {
      const glance = isReady ? current.scoreboard.glance(slot) : undefined;
      // The slot still shows the start of the previous request.
      return glance?.stage === 'reading headers' && glance.requestStartNs < glance.idleSinceNs;
    }).length;
  }
}

function scalingSettings(config: PoolConfig): ScalingSettings {
  return {
    pm: config.pm,
    maxChildren: config.pmMaxChildren,
    startServers: config.pmStartServers,
    minSpare: config.pmMinSpareServers,
    maxSpare: config.pmMaxSpareServers,
    maxSpawnRate: config.isSpawnRateSet ? config.pmMaxSpawnRate : undefined,
    idleTimeoutMs: config.pmProcessIdleTimeout * 1000,
    zygoteIdleTimeoutMs: config.pmZygoteIdleTimeout * 1000,
  };
}

type Counts = Pick<PoolSnapshot, 'idle' | 'keptAlive' | 'active' | 'starting' | 'leaving'>;

const NOBODY: Counts = { idle: 0, keptAlive: 0, active: 0, starting: 0, leaving: 0 };

/**
 * Who is alive and ready the zygote tells; what they do they tell themselves, by counts in the header that cannot
 * exceed what the zygote told. The slots of workers that leave are read one by one: there are few.
 */
function countWorkers(generation: Generation, header: HeaderSnapshot): Counts {
  const known = generation.workers();
  const ready = known.filter(({ isReady }) => isReady);
  const leaving = ready.filter(({ isLeaving }) => isLeaving);
  const stages = leaving.map(({ slot }) => generation.scoreboard.snapshot(slot)?.stage);
  const among = (stage: SlotSnapshot['stage']) => stages.filter((each) => each === stage).length;
  const staying = ready.length - leaving.length;
  const idle = Math.min(Math.max(0, header.idle - among('accepting')), staying);
  const keptAlive = Math.min(Math.max(0, header.waiting - among('waiting')), staying - idle);
  return {
    idle,
    keptAlive,
    active: staying - idle - keptAlive,
    starting: generation.workerCount - ready.length,
    leaving: leaving.length,
  };
}

function idleWorkers(generation: Generation, nowMs: Milliseconds): IdleWorker[] {
  return generation.workers().flatMap(({ slot, pid, startedAtMs, isLeaving }) => {
    const snapshot = isLeaving ? undefined : generation.scoreboard.snapshot(slot);
    if (snapshot?.stage !== 'accepting' && snapshot?.stage !== 'waiting') return [];
    return {
      pid,
      startedAtMs,
      // CLOCK_MONOTONIC, as performance.now() and process.hrtime() count, from another start.
      idleSinceMs: nowMs - Number(process.hrtime.bigint() - snapshot.idleSinceNs) / 1e6,
      memoryBytes: Number(snapshot.memoryPeak),
      isKeptAlive: snapshot.stage === 'waiting',
    };
  });
}
