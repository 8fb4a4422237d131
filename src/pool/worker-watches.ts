import type { PoolConfig } from '../config/config.js';
import type { MasterLog } from '../log/master-log.js';
import type { Scoreboard } from '../scoreboard/scoreboard.js';
import type { Trace } from '../slowlog/tracer.js';
import type { Count, Fd, Pid } from '../units.js';
import { ClaimWatch } from '../watch/claim-watch.js';
import { LeaveWatch } from '../watch/leave-watch.js';
import { RequestWatch } from '../watch/request-watch.js';
import type { WorkerSignals } from './worker-signals.js';
import type { LeavingWorker, WorkerTable } from './worker-table.js';

export interface WorkerWatchesParts {
  readonly pool: PoolConfig;
  readonly log: MasterLog;
  readonly listenFd: Fd;
  readonly workers: WorkerTable;
  readonly scoreboard: Scoreboard;
  readonly signals: WorkerSignals;
  /** @throws CannotTrace */
  readonly trace: (pid: Pid, depth: Count) => Promise<Trace>;
  /** A request takes longer than `request_slowlog_timeout`. */
  readonly onSlow: () => void;
  /** A watch sees less than it should; called once for each, with the first worker. */
  readonly onBlind: (line: string) => void;
}

/** Watches the workers of one generation: long requests, false scoreboard slots, workers that do not leave. */
export class WorkerWatches {
  readonly #requests: RequestWatch;
  readonly #claims: ClaimWatch;
  readonly #leavers: LeaveWatch<LeavingWorker>;

  constructor({ pool, log, listenFd, workers, scoreboard, signals, ...parts }: WorkerWatchesParts) {
    const glance = (slot: number) => scoreboard.glance(slot);
    this.#requests = new RequestWatch({
      pool,
      log,
      workers: () => workers.known().filter(({ isHeld }) => isHeld),
      glance,
      snapshot: (slot) => scoreboard.snapshot(slot),
      trace: parts.trace,
      timeOut: (slot, pid, startNs) => signals.timeOut(slot, pid, startNs),
      kill: (slot, pid, startNs) => signals.killRequest(slot, pid, startNs),
      onSlow: parts.onSlow,
    });
    this.#claims = new ClaimWatch({
      pool,
      log,
      listenFd,
      workers: () => workers.known().filter(({ isHeld, isKilled }) => isHeld && !isKilled),
      glance,
      kill: (slot, pid) => signals.killLiar(slot, pid),
      onBlind: parts.onBlind,
    });
    this.#leavers = new LeaveWatch({
      leavers: () => workers.leavers(),
      glance,
      longestRequestNs: BigInt(Math.round(pool.requestTerminateTimeout * 1e9)),
      tell: ({ worker }) => signals.send(worker, 'SIGTERM'),
      kill: ({ worker }, { seen, reason }) => {
        worker.isOverdue = seen.claim === 'idle' || seen.claim === 'ending';
        signals.killLeaver(worker, reason);
      },
    });
  }

  /** There is a worker. */
  onWorker(): void {
    this.#requests.wake();
    this.#claims.wake();
  }

  /** A worker, or all, were told to leave. */
  onLeaving(): void {
    this.#leavers.wake();
  }

  /** Whether a worker has ended because its request took too long. */
  hasTimedOut(slot: number, pid: Pid): boolean {
    return this.#requests.hasTimedOut(slot, pid);
  }

  stop(): void {
    this.#requests.stop();
    this.#claims.stop();
    this.#leavers.stop();
  }
}
