import type { Config } from '../config/config.js';
import { ConfigError } from '../errors.js';
import { ListenError } from '../listen/listen-error.js';
import { systemFailure } from '../os/libc.js';
import type { PoolPlan } from '../pool/plan.js';
import type { Pool, PreparedPool } from '../pool/pool.js';
import type { Count } from '../units.js';
import { blockedMoves } from './conflicts.js';
import type { Fail } from './report.js';

/** A pool of the next configuration, before it goes over to that. */
export interface Candidate {
  readonly plan: PoolPlan;
  /** The pool that is renewed, or a new one. */
  readonly pool: Pool;
  readonly isNew: boolean;
}

/** A candidate, and the result of starting its new generation. */
export interface PreparedCandidate {
  readonly candidate: Candidate;
  /** A text says why it cannot be. */
  readonly result: PreparedPool | string;
}

/** A candidate whose new generation is proven. */
export interface ReadyCandidate extends Candidate {
  readonly prepared: PreparedPool;
}

/**
 * New generations on their way at the same time. A php-cgi that loads all of PHP has one core to itself; those that are
 * forked from a template wait for the master's next step most of the time.
 */
const PREPARED_AT_ONCE: Count = 8;

export function nameOf({ plan }: Candidate): string {
  return plan.config.name;
}

/** What follows where a new generation cannot start; the end of the message that says why. */
export function consequence({ isNew }: Pick<Candidate, 'isNew'>): string {
  return isNew ? 'it is left out' : 'it keeps its old generation';
}

/**
 * `reload_unchanged = no`: pools for which nothing changes keep their generation, unless another of their
 * `opcache.share` gets a new one, with a new opcache.
 */
export function splitUnchanged(
  candidates: readonly Candidate[],
  { global }: Config,
): { unchanged: Candidate[]; toPrepare: Candidate[] } {
  const unchanged: Candidate[] = [];
  const toPrepare: Candidate[] = [];
  for (const candidate of candidates) {
    const { plan, pool, isNew } = candidate;
    const mayStay = !(global.reloadUnchanged || isNew);
    (mayStay && pool.isUnchangedBy(plan) ? unchanged : toPrepare).push(candidate);
  }
  const shares = new Set(toPrepare.flatMap(({ plan }) => plan.config.opcacheShare ?? []));
  const isMoved = ({ plan }: Candidate) => shares.has(plan.config.opcacheShare ?? '');
  return {
    unchanged: unchanged.filter((candidate) => !isMoved(candidate)),
    toPrepare: [...toPrepare, ...unchanged.filter(isMoved)],
  };
}

/**
 * Starts and proves a new generation of each, a few at a time.
 *
 * @param onMistake told of an exception that nobody foresaw; it concerns one pool alone
 * @returns in the same order
 */
export async function prepareAll(
  candidates: readonly Candidate[],
  onMistake: (error: unknown) => void,
): Promise<PreparedCandidate[]> {
  const prepared: PreparedCandidate[] = [];
  const toDo = candidates.entries();
  const prepareNext = async () => {
    for (const [at, candidate] of toDo) {
      const result = await candidate.pool.prepare(candidate.plan).catch((error: unknown) => {
        onMistake(error);
        return 'internal error';
      });
      prepared[at] = { candidate, result };
    }
  };
  await Promise.all(Array.from({ length: PREPARED_AT_ONCE }, prepareNext));
  return prepared;
}

/** The candidates that can go over; tells of the others. */
export function readyOnes(prepared: readonly PreparedCandidate[], fail: Fail): ReadyCandidate[] {
  return prepared.flatMap(({ candidate, result }) => {
    if (typeof result !== 'string') return { ...candidate, prepared: result };
    fail(nameOf(candidate), `${result}; ${consequence(candidate)}`);
    return [];
  });
}

/**
 * A pool can have another's address only if that one goes over to another address, or leaves.
 *
 * @param pools as they are before the reload
 */
export function withoutConflicts(
  ready: readonly ReadyCandidate[],
  pools: readonly Pool[],
  config: Config,
  fail: Fail,
): ReadyCandidate[] {
  const moving = new Set(ready.map(({ pool }) => pool));
  const listed = new Set(config.pools.map(({ name }) => name));
  const staying = pools.filter((pool) => listed.has(pool.config.name) && !moving.has(pool));
  const blocked = blockedMoves(
    ready.map((candidate) => ({
      pool: nameOf(candidate),
      from: candidate.isNew ? undefined : candidate.pool.plan.listenFd,
      to: candidate.plan.listenFd,
    })),
    new Map(staying.map(({ config: { name }, plan }) => [plan.listenFd, name])),
  );
  const byName = new Map(ready.map((candidate) => [nameOf(candidate), candidate]));
  for (const [name, holder] of blocked) {
    const candidate = byName.get(name);
    if (candidate === undefined) continue;
    candidate.prepared.abandon();
    fail(
      name,
      `its address is still served by pool ${holder}, which could not be renewed; ${consequence(candidate)}`,
    );
  }
  return ready.filter((candidate) => !blocked.has(nameOf(candidate)));
}

/**
 * Why the machine or the file does not allow something, without the pool's name in front.
 *
 * @throws `error` again where it is neither
 */
export function refusalText(error: unknown): string {
  const failure =
    error instanceof ConfigError || error instanceof ListenError ? error.message : systemFailure(error);
  if (failure === undefined) throw error;
  return failure.replace(/^\[pool [^\]]*\] /, '');
}
