import type { SlotGlance } from '../scoreboard/scoreboard.js';
import type { Milliseconds, Nanoseconds, Pid } from '../units.js';

/** A worker that was told to end after what it has in hand. */
export interface Leaver {
  readonly slot: number;
  readonly pid: Pid;
  readonly sinceNs: Nanoseconds;
}

export interface LeaveWatchParts<L extends Leaver> {
  readonly leavers: () => readonly L[];
  readonly glance: (slot: number) => SlotGlance | undefined;
  /** `request_terminate_timeout`; 0: requests may take for ever. */
  readonly longestRequestNs: Nanoseconds;
  readonly tell: (leaver: L) => void;
  readonly kill: (leaver: L, verdict: Verdict) => void;
}

/**
 * What a worker says of itself, as far as it matters here. `nothing`: its slot cannot be read, or it still starts.
 * `ending`: it was idle, and PHP shuts down.
 */
export type Claim = 'idle' | 'ending' | 'nothing' | 'busy';

/** What earlier checks have found of one worker that is to leave. */
export interface Seen {
  readonly claim: Claim;
  /** Every check since has found this claim. */
  readonly sinceNs: Nanoseconds;
  /** When it was sent SIGTERM. */
  readonly toldAtNs: Nanoseconds | undefined;
  /** When it was first found with a request that it had taken after it was told to leave. */
  readonly laterSinceNs: Nanoseconds | undefined;
}

export interface Verdict {
  readonly act: 'wait' | 'tell' | 'kill';
  readonly seen: Seen;
  /** Why it is killed, for the log behind `child N`; empty where it is not. */
  readonly reason: string;
}

const MS: Nanoseconds = 1_000_000n;
const CHECK_EVERY_MS: Milliseconds = 250;
/** Most workers have left by then, and need no signal. */
const BEFORE_TELLING_NS: Nanoseconds = 200n * MS;
/** A worker that waits for a kept-alive client may be about to get a request, or to hand its connection over. */
const BEFORE_TELLING_WAITING_NS: Nanoseconds = 2000n * MS;
const AFTER_TELLING_NS: Nanoseconds = 2000n * MS;
/** No worker needs so long to write to its slot, to start, or to shut down. */
const SILENCE_NS: Nanoseconds = 10_000n * MS;
/**
 * Once a worker is done with what it had in hand when it was told to leave, it serves a request that has arrived on its
 * kept-alive connection only where it cannot hand that over.
 */
const LAST_REQUEST_NS: Nanoseconds = 10_000n * MS;

/**
 * What to do about a worker that is to leave. One that calls itself idle has no request to lose: it is killed 2 s after
 * a SIGTERM, whether it is stopped, ignores signals, or writes false claims. One with a request has the time that
 * requests may take. php-fpm kills either at its second check.
 */
export function judgeLeaver(
  seen: Seen | undefined,
  glance: SlotGlance | undefined,
  { sinceNs: leavesSinceNs }: Pick<Leaver, 'sinceNs'>,
  nowNs: Nanoseconds,
  longestRequestNs: Nanoseconds,
): Verdict {
  const claim = claimOf(glance);
  const hasLater = claim === 'busy' && glance !== undefined && glance.requestStartNs > leavesSinceNs;
  const laterSinceNs = seen?.laterSinceNs ?? (hasLater ? nowNs : undefined);
  const same: Seen = {
    ...(seen?.claim === claim ? seen : { claim, sinceNs: nowNs, toldAtNs: undefined }),
    laterSinceNs,
  };
  const forNs = nowNs - same.sinceNs;
  const wait: Verdict = { act: 'wait', seen: same, reason: '' };
  const kill = (reason: string): Verdict => ({ ...wait, act: 'kill', reason });
  const isOverdue =
    longestRequestNs > 0n && nowNs - (laterSinceNs ?? leavesSinceNs) > longestRequestNs + LAST_REQUEST_NS;
  switch (claim) {
    case 'nothing':
      return forNs > SILENCE_NS ? kill('says nothing of itself') : wait;
    case 'ending':
      return forNs > SILENCE_NS ? kill('has nothing in hand and did not end within 10 s') : wait;
    case 'busy':
      if (
        glance !== undefined &&
        laterSinceNs !== undefined &&
        glance.requestStartNs > laterSinceNs + LAST_REQUEST_NS
      )
        return kill('takes one request after the other');
      // php-fpm does not count what a request does after its answer, either.
      return isOverdue && glance?.stage !== 'finished' ? kill('exceeds request_terminate_timeout') : wait;
    case 'idle': {
      if (same.toldAtNs !== undefined)
        return nowNs - same.toldAtNs > AFTER_TELLING_NS
          ? kill('has nothing in hand and did not leave within 2 s of SIGTERM')
          : wait;
      const isQuiet =
        glance?.stage === 'accepting' || nowNs - (glance?.idleSinceNs ?? 0n) > BEFORE_TELLING_NS * 2n;
      const patienceNs = isQuiet ? BEFORE_TELLING_NS : BEFORE_TELLING_WAITING_NS;
      return forNs > patienceNs ? { ...wait, act: 'tell', seen: { ...same, toldAtNs: nowNs } } : wait;
    }
  }
}

function claimOf(glance: SlotGlance | undefined): Claim {
  if (glance === undefined || glance.stage === 'starting') return 'nothing';
  // After a request the stage is `finished` as well, but that request began after the worker was idle.
  if (glance.stage === 'finished' && glance.requestStartNs < glance.idleSinceNs) return 'ending';
  return glance.stage === 'accepting' || glance.stage === 'waiting' ? 'idle' : 'busy';
}

/** The workers of one generation that are to leave. Has no timer while there are none. */
export class LeaveWatch<L extends Leaver> {
  readonly #parts: LeaveWatchParts<L>;
  readonly #seenBySlot = new Map<number, Seen & { readonly pid: Pid }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: LeaveWatchParts<L>) {
    this.#parts = parts;
  }

  /** There may be leavers. */
  wake(): void {
    this.#timer ??= setInterval(() => this.#check(), CHECK_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#seenBySlot.clear();
  }

  #check(): void {
    const leavers = this.#parts.leavers();
    if (leavers.length === 0) this.stop();
    for (const leaver of leavers) {
      const { slot, pid } = leaver;
      const before = this.#seenBySlot.get(slot);
      const verdict = judgeLeaver(
        before?.pid === pid ? before : undefined,
        this.#parts.glance(slot),
        leaver,
        process.hrtime.bigint(),
        this.#parts.longestRequestNs,
      );
      this.#seenBySlot.set(slot, { ...verdict.seen, pid });
      if (verdict.act === 'tell') this.#parts.tell(leaver);
      if (verdict.act === 'kill') this.#parts.kill(leaver, verdict);
    }
  }
}
