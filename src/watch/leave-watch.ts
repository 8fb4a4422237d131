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
 * What a worker says of itself, as far as it matters here; `nothing`: its slot cannot be read, or it still starts; `ending`: it
 * was idle, and PHP shuts down.
 */
export type Claim = 'idle' | 'ending' | 'nothing' | 'busy';

/** What was seen of one leaver up to now. */
export interface Seen {
  readonly claim: Claim;
  /** It has said so at every look since. */
  readonly sinceNs: Nanoseconds;
  readonly toldAtNs: Nanoseconds | undefined;
  /** When it was first seen with a request that it has taken since it was told to leave. */
  readonly laterSinceNs: Nanoseconds | undefined;
}

export interface Verdict {
  readonly act: 'wait' | 'tell' | 'kill';
  readonly seen: Seen;
  /** Why it is killed. */
  readonly reason: string;
}

const MS: Nanoseconds = 1_000_000n;
const LOOK_EVERY_MS: Milliseconds = 250;
/** Who leaves in order is gone before the master has to say anything. */
const BEFORE_TELLING_NS: Nanoseconds = 200n * MS;
/**
 * A kept-alive client may be about to send; one that says so for longer has no such client. TSFPM_KEPT_ALIVE_GRACE_NS and more.
 */
const BEFORE_TELLING_WAITING_NS: Nanoseconds = 2000n * MS;
const AFTER_TELLING_NS: Nanoseconds = 2000n * MS;
/** To write to its slot, to start, or to shut down, takes no worker so long. */
const SILENCE_NS: Nanoseconds = 10_000n * MS;
/**
 * Once it is done with what it had in hand when it was told to leave, a worker takes further requests for a second at most,
 * of a kept-alive client that is quick.
 */
const LAST_REQUEST_NS: Nanoseconds = 10_000n * MS;

/**
 * Who has nothing in hand has no request to lose: a worker that is to leave and calls itself idle is killed 2 s after a
 * SIGTERM, be it stopped, deaf to signals, or a liar. php-fpm kills at its second look, busy or not. One with a
 * request keeps its time.
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
  // After a request it says so, too, but that one began after it was idle.
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
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#seenBySlot.clear();
  }

  #look(): void {
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
