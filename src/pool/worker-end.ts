import { exitText } from '../zygote/exit-text.js';
import type { UnexpectedEnd } from './back-off.js';
import type { EndedWorker } from './worker-table.js';

/** Whether its exit code is 0, as when a request limit is reached. */
export function hasEndedInOrder({ status }: Pick<EndedWorker, 'status'>): boolean {
  return status?.kind === 'exited' && status.code === 0;
}

/** Whether it was told to end, and there is nothing else to say about it. */
export function hasEndedAsTold(worker: Pick<EndedWorker, 'status' | 'wasRetired' | 'wasOverdue'>): boolean {
  return worker.wasRetired && (hasEndedInOrder(worker) || worker.wasOverdue);
}

/** For {@link hasEndedAsTold}: php-fpm's words, without the pool's name. */
export function toldEndText({ pid, ageMs }: Pick<EndedWorker, 'pid' | 'ageMs'>): string {
  return `child ${pid} has been killed by the process management after ${secondsText(ageMs)} seconds from start`;
}

/**
 * For all other ends: php-fpm's words, without the pool's name.
 *
 * @param lost what is to say of the request that it had in hand; left out where a time-out has been told before
 */
export function endText(
  worker: Pick<EndedWorker, 'pid' | 'ageMs' | 'status' | 'wasTimedOut'>,
  lost: () => string,
): string {
  const { pid, ageMs, status, wasTimedOut } = worker;
  const isToldBefore = hasEndedInOrder(worker) || wasTimedOut;
  const why = wasTimedOut ? ', its request had timed out' : '';
  const request = isToldBefore ? '' : lost();
  return `child ${pid} exited ${exitText(status)} after ${secondsText(ageMs)} seconds from start${request}${why}`;
}

/** What the end says of starting another: one that had to end because of its request has started and served. */
export function unexpectedEnd(
  worker: Pick<EndedWorker, 'status' | 'ageMs' | 'accepted' | 'wasTimedOut'>,
): UnexpectedEnd {
  const { ageMs, accepted, wasTimedOut } = worker;
  return {
    ageMs,
    isInOrder: hasEndedInOrder(worker) || wasTimedOut,
    hasServed: accepted > 0 || wasTimedOut,
  };
}

function secondsText(ageMs: number): string {
  return (ageMs / 1000).toFixed(6);
}
