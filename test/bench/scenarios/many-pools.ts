import { setTimeout as sleep } from 'node:timers/promises';
import type { Count, Milliseconds, Pid, Seconds } from '../../../src/units.js';
import { runLoad } from '../load-generator.js';
import { poolAddress } from '../pool-file.js';
import { descendantsOf, pssBytes } from '../processes.js';
import type { Bench, Metric, Sample, Scenario, Target } from '../scenario.js';
import { median } from '../statistics.js';
import type { PoolSettings } from '../subject.js';
import { describeFailures } from './throughput.js';

/** How many pools each part of the scenario has. */
interface Sizes {
  /** Each answers one request, and keeps its worker. */
  readonly active: Count;
  /** Nobody asks them anything. */
  readonly declared: Count;
  /** Of one static worker each. */
  readonly ofOneWorker: Count;
  /** Each answers one request, and its worker ends. */
  readonly visited: Count;
  /** What `pm.zygote_idle_timeout` these have: longer than it takes to visit all. */
  readonly zygoteIdleTimeout: Seconds;
}

const FULL: Sizes = { active: 50, declared: 4000, ofOneWorker: 200, visited: 500, zygoteIdleTimeout: 40 };
const SHORT: Sizes = { active: 20, declared: 200, ofOneWorker: 20, visited: 50, zygoteIdleTimeout: 8 };

const IS_ROOT = process.getuid?.() === 0;

const MAX_CHILDREN: Count = 4;
/** For memory to be given back, and for the start to be over. */
const SETTLE_MS: Milliseconds = 1000;
const POLL_MS: Milliseconds = 20;
const PATIENCE_MS: Milliseconds = 20_000;
/** Longer than the longest `pm.zygote_idle_timeout`. */
const IDLE_PATIENCE_MS: Milliseconds = 60_000;

/** The same for any number of pools. Times are compared: what else runs on the machine disturbs both sides. */
const TARGETS_PER_POOL: readonly Target[] = [
  { metric: 'firstAnswerMs', atMost: 2.9 },
  { metric: 'sharedAnswerMs', atMost: 2.9 },
];

/** For the full numbers of pools. Times are the machine's own: php-fpm's part is a few system calls for each socket. */
const TARGETS_IN_ALL: readonly Target[] = [
  { metric: 'activeMiB', atMost: 3.4, isAbsolute: true },
  { metric: 'sharedMiB', atMost: 0.9, isAbsolute: true },
  { metric: 'readySeconds', atMost: 1.5, isAbsolute: true },
  { metric: 'masterMiB', atMost: 110, isAbsolute: true },
  { metric: 'reloadSeconds', atMost: 1, isAbsolute: true },
  { metric: 'staticStartSeconds', atMost: 0.5, isAbsolute: true },
  { metric: 'staticReloadSeconds', atMost: 0.8, isAbsolute: true },
  { metric: 'visitedMiB', atMost: 1200, isAbsolute: true },
  { metric: 'forgottenMiB', atMost: 130, isAbsolute: true },
];

/** What it costs to give each customer a pool. */
export const manyPools: Scenario = {
  ...manyPoolsScenario(FULL, [...TARGETS_PER_POOL, ...TARGETS_IN_ALL]),
  short: manyPoolsScenario(SHORT, TARGETS_PER_POOL),
};

function metricsFor({ active, declared, ofOneWorker, visited }: Sizes): Metric[] {
  return [
    { key: 'activeMiB', title: `${active} active: PSS per pool without master, MiB`, digits: 2 },
    time('firstAnswerMs', 'first answer of a cold pool, median, ms', 1),
    { key: 'sharedMiB', title: 'with opcache.share: PSS per pool, MiB', digits: 2 },
    time('sharedAnswerMs', 'first answer, ms', 1),
    time('readySeconds', `${declared} ondemand: ready, s`, 2),
    { key: 'masterMiB', title: "master's PSS, MiB", digits: 0 },
    time('reloadSeconds', 'reload, none active, s', 2),
    time('staticStartSeconds', `${ofOneWorker} static of one worker: start, s`, 2),
    time('staticReloadSeconds', 'reload, all renewed, s', 2),
    { key: 'visitedMiB', title: `${visited} visited, workers gone: PSS in all, MiB`, digits: 1 },
    { key: 'forgottenMiB', title: 'after pm.zygote_idle_timeout, MiB', digits: 1 },
  ];
}

function time(key: string, title: string, digits: Count): Metric {
  return { key, title, digits, comparison: 'ratio' };
}

function manyPoolsScenario(sizes: Sizes, targets: readonly Target[]): Scenario {
  const active = ondemand(sizes.active, '60s');
  const parts: readonly Part[] = [
    { pool: active, measure: measureActive },
    { pool: { ...active, tsfpmDirectives: { 'opcache.share': 'all' } }, measure: measureShared },
    { pool: ondemand(sizes.declared, '60s'), measure: measureDeclared },
    { pool: { pm: 'static', maxChildren: 1, pools: sizes.ofOneWorker }, measure: measureStatic },
    {
      pool: {
        ...ondemand(sizes.visited, '1s'),
        tsfpmDirectives: { 'pm.zygote_idle_timeout': `${sizes.zygoteIdleTimeout}s` },
      },
      measure: measureVisited,
    },
  ];
  return {
    name: 'many-pools',
    title: 'many pools',
    pool: active,
    reloads: true,
    metrics: metricsFor(sizes),
    targets,
    once: true,

    // Each part starts what it needs; what runs beside it would share its pages, and change its PSS.
    async warmUp({ subject }) {
      const noMemory = IS_ROOT ? [] : ['no figures of memory: only root may read them of all processes'];
      return [...noMemory, ...(await subject.stop())];
    },

    async measure(bench) {
      const samples: Sample[] = [];
      for (const part of parts) samples.push(await measurePart(bench, part));
      return {
        values: Object.assign({}, ...samples.map((sample) => sample.values)),
        problems: samples.flatMap((sample) => sample.problems),
      };
    },
  };
}

function ondemand(pools: Count, idleTimeout: string): PoolSettings {
  const directives = { 'pm.process_idle_timeout': idleTimeout };
  return { pm: 'ondemand', maxChildren: MAX_CHILDREN, pools, directives };
}

/** Some figures of a subject that is started for them, and stopped after them. */
interface Part {
  readonly pool: PoolSettings;
  measure(bench: Bench, pools: Count, startedInMs: Milliseconds): Promise<Sample>;
}

/** A part that fails leaves its figures out, and the others are measured. */
async function measurePart(bench: Bench, { pool, measure }: Part): Promise<Sample> {
  const { subject, signal } = bench;
  const problems: string[] = [];
  let values: Sample['values'] = {};
  try {
    const startedInMs = await subject.timedStart(pool, signal);
    const sample = await measure(bench, pool.pools ?? 1, startedInMs);
    values = sample.values;
    problems.push(...sample.problems);
  } catch (error) {
    if (signal.aborted) throw error;
    problems.push(`${pool.pools} ${pool.pm} pools: ${(error as Error).message}`);
  }
  problems.push(...(await subject.stop()));
  return { values, problems };
}

function measureActive(bench: Bench, pools: Count): Promise<Sample> {
  return measureVisits(bench, pools, { memory: 'activeMiB', time: 'firstAnswerMs' });
}

/** php-fpm, which always shares, is measured once more. */
function measureShared(bench: Bench, pools: Count): Promise<Sample> {
  return measureVisits(bench, pools, { memory: 'sharedMiB', time: 'sharedAnswerMs' });
}

async function measureVisits(
  bench: Bench,
  pools: Count,
  keys: { readonly memory: string; readonly time: string },
): Promise<Sample> {
  const { times, problems } = await visitEach(bench, pools);
  await sleep(SETTLE_MS, undefined, { signal: bench.signal });
  const middle = median(times);
  return {
    values: {
      ...memory(keys.memory, pidsBelow(bench), pools),
      ...(middle !== undefined && { [keys.time]: middle }),
    },
    problems,
  };
}

async function measureDeclared(bench: Bench, _pools: Count, startedInMs: Milliseconds): Promise<Sample> {
  const { subject, signal } = bench;
  await sleep(SETTLE_MS, undefined, { signal });
  const masterMemory = memory('masterMiB', [mainPid(bench)]);
  const reloadSeconds = (await subject.timedReload(signal)) / 1000;
  return { values: { readySeconds: startedInMs / 1000, ...masterMemory, reloadSeconds }, problems: [] };
}

async function measureStatic(bench: Bench, pools: Count, startedInMs: Milliseconds): Promise<Sample> {
  const { subject, signal } = bench;
  const lateMs = await untilWorkers(bench, (pids) => pids.length === pools);
  await sleep(SETTLE_MS, undefined, { signal });
  const former = new Set(subject.workerPids());
  const reloadMs = await subject.timedReload(signal);
  const renewedMs = await untilWorkers(
    bench,
    (pids) => pids.filter((pid) => !former.has(pid)).length === pools,
  );
  return {
    values: {
      staticStartSeconds: (startedInMs + lateMs) / 1000,
      staticReloadSeconds: (reloadMs + renewedMs) / 1000,
    },
    problems: [],
  };
}

async function measureVisited(bench: Bench, pools: Count): Promise<Sample> {
  const { problems } = await visitEach(bench, pools);
  await untilWorkers(bench, (pids) => pids.length === 0);
  await sleep(SETTLE_MS, undefined, { signal: bench.signal });
  const visited = memory('visitedMiB', [mainPid(bench), ...pidsBelow(bench)]);
  // A template may stay.
  await untilTrue(bench, IDLE_PATIENCE_MS, () => pidsBelow(bench).length <= 1);
  await sleep(SETTLE_MS, undefined, { signal: bench.signal });
  const forgotten = memory('forgottenMiB', [mainPid(bench), ...pidsBelow(bench)]);
  return { values: { ...visited, ...forgotten }, problems };
}

/** One request to each pool, one after the other. */
async function visitEach({ subject, site, signal }: Bench, pools: Count) {
  const script = `${site.pages}/hello.php`;
  const times: Milliseconds[] = [];
  const problems: string[] = [];
  for (let index = 0; index < pools; index++) {
    const result = await runLoad({ address: poolAddress(subject.address, index), script }, signal);
    problems.push(...describeFailures(result));
    if (result.ok === 1) times.push(result.latencyUs.max / 1000);
  }
  return { times, problems };
}

/**
 * @returns how long it took; 0 if they were like that at the first look, whatever that look took
 * @throws Error if they do not become so
 */
function untilWorkers(bench: Bench, areRight: (pids: readonly Pid[]) => boolean): Promise<Milliseconds> {
  return untilTrue(bench, PATIENCE_MS, () => areRight(bench.subject.workerPids()));
}

async function untilTrue(
  bench: Bench,
  patienceMs: Milliseconds,
  isTrue: () => boolean,
): Promise<Milliseconds> {
  const from = performance.now();
  if (isTrue()) return 0;
  while (performance.now() < from + patienceMs) {
    await sleep(POLL_MS, undefined, { signal: bench.signal });
    if (isTrue()) return performance.now() - from;
  }
  const count = bench.subject.workerPids().length;
  throw new Error(
    `after ${patienceMs} ms there are still ${count} workers, ${pidsBelow(bench).length} processes`,
  );
}

function mainPid({ subject }: Bench): Pid {
  const pid = subject.mainPid();
  if (pid === undefined) throw new Error('there is no master');
  return pid;
}

function pidsBelow(bench: Bench): Pid[] {
  return descendantsOf(mainPid(bench)).map(({ pid }) => pid);
}

/** PSS in MiB, divided by the number of pools; nothing for who may not read it. */
function memory(key: string, pids: readonly Pid[], pools: Count = 1): Sample['values'] {
  return IS_ROOT ? { [key]: pssBytes(pids) / 2 ** 20 / pools } : {};
}
