import type { MasterLog } from '../log/master-log.js';
import { asSystemError } from '../os/libc.js';
import type { SlotGlance } from '../scoreboard/scoreboard.js';
import type { Nanoseconds, Pid } from '../units.js';
import { TIME_OUT_SIGNAL } from '../zygote/control-frames.js';
import type { RunningWorker, WorkerTable } from './worker-table.js';

export interface WorkerSignalsParts {
  readonly pool: string;
  readonly log: Pick<MasterLog, 'error' | 'notice'>;
  readonly workers: WorkerTable;
  readonly glance: (slot: number) => SlotGlance | undefined;
}

/**
 * Signals to the workers of one generation. Whoever decides on one may have read the worker's slot some time ago, so
 * what it was sent for is checked again here: the worker is still the same, and the request not yet done with.
 */
export class WorkerSignals {
  readonly #parts: WorkerSignalsParts;

  constructor(parts: WorkerSignalsParts) {
    this.#parts = parts;
  }

  /** @param value goes along with the signal, as from sigqueue(3) */
  send(worker: RunningWorker, signal: NodeJS.Signals | number, value?: bigint): void {
    worker.isKilled ||= signal === 'SIGKILL';
    try {
      worker.process?.send(signal, value);
    } catch (error) {
      const { pool, log } = this.#parts;
      const { reason } = asSystemError(error);
      log.error(`[pool ${pool}] child ${worker.pid} cannot be signalled: ${reason}`, {
        pool,
        pid: worker.pid,
      });
    }
  }

  /** Tells the worker to end that request, and itself. It compares the request with the one that it has in hand. */
  timeOut(slot: number, pid: Pid, requestStartNs: Nanoseconds): void {
    const worker = this.#parts.workers.find(slot, pid);
    if (worker !== undefined) this.send(worker, TIME_OUT_SIGNAL, requestStartNs);
  }

  /**
   * Kills the worker if it still has that request in hand. It may be done with it within the microseconds in between.
   */
  killRequest(slot: number, pid: Pid, requestStartNs: Nanoseconds): void {
    const worker = this.#parts.workers.find(slot, pid);
    const glance = worker && this.#parts.glance(slot);
    if (worker !== undefined && glance !== undefined && isInHand(glance, requestStartNs))
      this.send(worker, 'SIGKILL');
  }

  /** Kills the worker because its slot of the scoreboard was not true for too long. */
  killLiar(slot: number, pid: Pid): void {
    const worker = this.#parts.workers.find(slot, pid);
    if (worker === undefined) return;
    worker.isLiar = true;
    this.send(worker, 'SIGKILL');
  }

  /** Kills the worker because it was told to end and did not; `reason` goes into the log, behind `child N`. */
  killLeaver(worker: RunningWorker, reason: string): void {
    if (worker.process?.hasEnded !== false) return;
    const { pool, log } = this.#parts;
    log.notice(`[pool ${pool}] child ${worker.pid} ${reason}, killing it`, { pool, pid: worker.pid });
    this.send(worker, 'SIGKILL');
  }
}

/** The worker has begun the request that started at that time, and has not been idle since. */
export function isInHand({ stage, requestStartNs, idleSinceNs }: SlotGlance, startNs: Nanoseconds): boolean {
  const isBusy = stage !== 'accepting' && stage !== 'waiting' && stage !== 'starting';
  return isBusy && requestStartNs === startNs && idleSinceNs <= startNs;
}
