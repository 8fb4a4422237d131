import type { Count, Nanoseconds, Pid, Seconds } from '../../../src/units.js';
import type { LoadResult } from '../load-generator.js';
import { cpuTimeNs } from '../processes.js';
import { type Bench, type Metric, noSlowerThanBaseline, type Sample, type Scenario } from '../scenario.js';

export const WORKERS: Count = 4;

/** Before each measurement: the other subjects have had the caches meanwhile. */
const REWARM_SECONDS: Seconds = 0.2;

export const THROUGHPUT_METRICS: readonly Metric[] = [
  { key: 'requestsPerSecond', title: 'requests/s', digits: 0, comparison: 'ratio' },
  { key: 'workerCpuUs', title: 'worker CPU per request, µs', digits: 1, comparison: 'ratio' },
  { key: 'p50Us', title: 'p50, µs', digits: 0, comparison: 'ratio' },
  { key: 'p99Us', title: 'p99, µs', digits: 0, comparison: 'ratio' },
  { key: 'generatorPercent', title: "generator's CPU, % of a core", digits: 0 },
];

/** A page under a closed loop of requests. */
export interface ThroughputOptions {
  readonly name: string;
  readonly title: string;
  /** Path of the page under the site's pages. */
  readonly page: string;
  /** Text that the page's answer must hold. */
  readonly expect: string;
  readonly connections: Count;
  readonly keepAlive: boolean;
  readonly directives?: Readonly<Record<string, string>>;
  /** Beside p50 and p99. */
  readonly targets?: Scenario['targets'];
  readonly prepare?: NonNullable<Scenario['prepare']>;
  /** A further check once warm. @returns problems */
  readonly verify?: (bench: Bench) => Promise<readonly string[]>;
}

export function throughputScenario(options: ThroughputOptions): Scenario {
  const scriptOf = (bench: Bench) => `${bench.site.pages}/${options.page}`;
  const load = (bench: Bench, seconds: Seconds) => {
    const { connections, keepAlive } = options;
    return bench.load({ script: scriptOf(bench), connections, keepAlive, seconds });
  };
  return {
    name: options.name,
    title: options.title,
    pool: {
      pm: 'static',
      maxChildren: WORKERS,
      ...(options.directives && { directives: options.directives }),
    },
    metrics: THROUGHPUT_METRICS,
    targets: [...(options.targets ?? []), noSlowerThanBaseline('p50Us'), noSlowerThanBaseline('p99Us')],
    ...(options.prepare && { prepare: options.prepare }),

    async warmUp(bench) {
      const warm = await load(bench, Math.min(1, bench.seconds));
      const answer = await bench.fetch(scriptOf(bench));
      const problems = describeFailures(warm);
      if (!answer?.includes(options.expect))
        problems.push(`${options.page} does not answer "${options.expect}"`);
      return [...problems, ...((await options.verify?.(bench)) ?? [])];
    },

    async measure(bench) {
      const rewarmed = await load(bench, REWARM_SECONDS);
      const before = cpuTimes(bench.subject.workerPids());
      const result = await load(bench, bench.seconds);
      const after = cpuTimes(bench.subject.workerPids());
      return toSample(result, describeFailures(rewarmed), before, after);
    },
  };
}

export type CpuTimes = ReadonlyMap<Pid, Nanoseconds>;

export function cpuTimes(pids: readonly Pid[]): CpuTimes {
  const times = pids.map((pid) => [pid, cpuTimeNs(pid)] as const);
  return new Map(times.filter((entry): entry is [Pid, Nanoseconds] => entry[1] !== undefined));
}

/** @returns nanoseconds spent in between; `undefined` if a worker came or went (its time is not all there) or there are none */
export function cpuSpentNs(before: CpuTimes, after: CpuTimes): number | undefined {
  if (before.size === 0 || before.size !== after.size) return undefined;
  let spent = 0n;
  for (const [pid, start] of before) {
    const end = after.get(pid);
    if (end === undefined) return undefined;
    spent += end - start;
  }
  return Number(spent);
}

function toSample(
  result: LoadResult,
  earlierProblems: readonly string[],
  before: CpuTimes,
  after: CpuTimes,
): Sample {
  const problems = [...earlierProblems, ...describeFailures(result)];
  const spentNs = cpuSpentNs(before, after);
  if (spentNs === undefined) problems.push('no CPU per request: workers came or went, or there are none');
  const generatorSeconds = result.cpuSeconds.user + result.cpuSeconds.system;
  return {
    values: {
      requestsPerSecond: result.requestsPerSecond,
      ...(spentNs !== undefined && result.ok > 0 && { workerCpuUs: spentNs / 1e3 / result.ok }),
      p50Us: result.latencyUs.p50,
      p99Us: result.latencyUs.p99,
      generatorPercent: (100 * generatorSeconds) / result.elapsedSeconds,
    },
    problems,
  };
}

/** Everything the generator met that a quiet run does not have, in words. */
export function describeFailures(result: LoadResult): string[] {
  const kinds = Object.entries(result.failures).filter(([, count]) => count > 0);
  const problems = kinds.map(
    ([kind, count]) => `${count} of ${result.ok + result.failed} requests failed: ${kind}`,
  );
  if (result.reconnects > 0) problems.push(`${result.reconnects} kept connections were closed by the server`);
  if (result.backlogFull > 0) problems.push(`${result.backlogFull} connects met a full listen queue`);
  if (result.stderrBytes > 0) problems.push(`${result.stderrBytes} bytes on FastCGI's STDERR`);
  return problems;
}
