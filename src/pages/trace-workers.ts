import { setTimeout as sleep } from 'node:timers/promises';
import type { Generation } from '../pool/generation.js';
import type { Pool } from '../pool/pool.js';
import { requestFields } from '../request/fields.js';
import type { SlotSnapshot } from '../scoreboard/scoreboard.js';
import type { Backtrace } from '../slowlog/backtrace.js';
import { backtraceLines } from '../slowlog/entry.js';
import { FoldedStacks } from '../slowlog/folded.js';
import { CannotTrace } from '../slowlog/tracer.js';
import { STATE_OF_STAGE } from '../status/status.js';
import { lineText } from '../text/harmless.js';
import type { Count, Milliseconds, Pid } from '../units.js';
import { requestLine, requestText, secondsText } from '../watch/request-words.js';

/** Whom to trace: a pool by its name, or one worker by its pid. */
export interface TraceOrder {
  readonly target: string;
  /** How long to go on and count stacks; undefined: where they are now. */
  readonly sampleMs?: Milliseconds | undefined;
  /** Samples per second of each worker. */
  readonly hz: Count;
}

/** The outcome of a trace: lines for people, `data` for programs. */
export interface TraceOutcome {
  readonly ok: boolean;
  readonly lines: readonly string[];
  readonly data?: unknown;
}

/** Most frames of one backtrace. */
const DEPTH: Count = 200;
/** Samples take no more than this part of the master's time: it has a service to run. */
const MOST_BUSY = 0.25;
/** How often the client is told of the progress: a write that fails shows that it is gone. */
const TELL_EVERY_MS: Milliseconds = 1000;

interface Candidate {
  readonly pool: string;
  readonly pid: Pid;
  readonly generation: Generation;
  readonly snapshot: SlotSnapshot | undefined;
}

/** @param isWanted false once nobody waits for the outcome any more */
export async function traceWorkers(
  pools: readonly Pool[],
  order: TraceOrder,
  tell: (line: string) => void,
  isWanted: () => boolean,
): Promise<TraceOutcome> {
  const { target } = order;
  const found = () => candidates(pools, target);
  if (found().length === 0) {
    const isPool = pools.some(({ config }) => config.name === target);
    return fail(
      isPool
        ? `pool ${target} has no workers at present`
        : `there is no pool and no worker '${lineText(target)}'; pools: ` +
            pools.map(({ config }) => config.name).join(', '),
    );
  }
  return order.sampleMs === undefined
    ? traceNow(found(), target)
    : sampleFor(found, { ...order, sampleMs: order.sampleMs }, tell, isWanted);
}

function fail(line: string): TraceOutcome {
  return { ok: false, lines: [line] };
}

function candidates(pools: readonly Pool[], target: string): Candidate[] {
  return pools.flatMap((pool) =>
    pool.generations().flatMap((generation) =>
      generation
        .workers()
        .filter(({ pid }) => pool.config.name === target || String(pid) === target)
        .map(({ slot, pid }) => ({
          pool: pool.config.name,
          pid,
          generation,
          snapshot: generation.scoreboard.snapshot(slot),
        })),
    ),
  );
}

function isBusy({ snapshot }: Candidate): boolean {
  return snapshot !== undefined && STATE_OF_STAGE[snapshot.stage] !== 'Idle';
}

async function traceNow(workers: readonly Candidate[], target: string): Promise<TraceOutcome> {
  const busy = workers.filter(isBusy);
  const [only] = workers;
  if (busy.length === 0)
    return fail(
      String(only?.pid) === target
        ? `worker ${target} of pool ${only?.pool} is idle`
        : `pool ${target}: none of its ${workers.length} workers has a request in hand`,
    );
  const lines: string[] = [];
  const traces: object[] = [];
  for (const { pool, pid, generation, snapshot } of busy) {
    if (snapshot === undefined) continue;
    const seconds = secondsText(process.hrtime.bigint() - snapshot.requestStartNs);
    if (lines.length > 0) lines.push('');
    lines.push(`[pool ${pool}] child ${pid}, ${requestText(snapshot)} for ${seconds} sec`);
    const about = {
      pool,
      pid,
      script: lineText(requestFields(snapshot.params).script),
      request: requestLine(snapshot.params),
      seconds: Number(seconds),
    };
    const backtrace = await backtraceOf(generation, pid);
    if (typeof backtrace === 'string') {
      lines.push(`no backtrace: ${backtrace}`);
      traces.push({ ...about, error: backtrace });
    } else {
      lines.push(...(hasNothing(backtrace) ? ['no PHP code is being executed'] : backtraceLines(backtrace)));
      traces.push({ ...about, running: backtrace.running, frames: backtrace.frames });
    }
  }
  return { ok: traces.some((trace) => !('error' in trace)), lines, data: { workers: traces } };
}

function hasNothing({ frames, running }: Backtrace): boolean {
  return frames.length === 0 && running === undefined;
}

/** @returns why not, where there is none */
async function backtraceOf(generation: Generation, pid: Pid): Promise<Backtrace | string> {
  try {
    return (await generation.trace(pid, DEPTH)).backtrace;
  } catch (error) {
    if (error instanceof CannotTrace) return error.message;
    throw error;
  }
}

async function sampleFor(
  found: () => Candidate[],
  { target, sampleMs, hz }: TraceOrder & { readonly sampleMs: Milliseconds },
  tell: (line: string) => void,
  isWanted: () => boolean,
): Promise<TraceOutcome> {
  const stacks = new FoldedStacks();
  const startMs = performance.now();
  let [busyMs, looks, skipped, failures] = [0, 0, 0, 0];
  let failure = '';
  let toldMs = startMs;
  tell(`sampling ${target} for ${sampleMs / 1000} s, ${hz} times a second`);
  for (let nextMs = startMs; nextMs < startMs + sampleMs && isWanted(); nextMs += 1000 / hz) {
    await sleep(Math.max(0, nextMs - performance.now()));
    const nowMs = performance.now();
    if (nowMs - toldMs > TELL_EVERY_MS) {
      toldMs = nowMs;
      tell(`${stacks.samples} stacks in ${((nowMs - startMs) / 1000).toFixed(0)} s`);
    }
    if (busyMs > (nowMs - startMs) * MOST_BUSY + 1000 / hz) {
      skipped++;
      continue;
    }
    looks++;
    const beginMs = performance.now();
    for (const worker of found().filter(isBusy)) {
      const backtrace = await backtraceOf(worker.generation, worker.pid);
      if (typeof backtrace === 'string') {
        failures++;
        failure = backtrace;
      } else if (worker.snapshot !== undefined && !hasNothing(backtrace))
        stacks.add(lineText(requestFields(worker.snapshot.params).script), backtrace);
    }
    busyMs += performance.now() - beginMs;
  }
  if (stacks.samples === 0)
    return fail(
      failures > 0
        ? `${target}: no backtrace: ${failure}`
        : `${target}: no PHP code was being executed in ${sampleMs / 1000} s`,
    );
  const left = [
    ...(skipped > 0 ? [`${skipped} looks left out to spare the master`] : []),
    ...(failures > 0 ? [`${failures} stacks could not be read, the last: ${failure}`] : []),
  ];
  return {
    ok: true,
    lines: [[`${stacks.samples} stacks, ${looks} looks`, ...left].join('; ')],
    data: { folded: stacks.lines() },
  };
}
