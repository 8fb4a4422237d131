import { setTimeout as sleep } from 'node:timers/promises';
import type { Pid, Seconds } from '../../../src/units.js';
import { privateBytes, threadsCpuTimeNs } from '../processes.js';
import type { Bench, Metric, Scenario } from '../scenario.js';
import { describeFailures, WORKERS } from './throughput.js';

/** What the start has left to tidy up. */
const SETTLE_MS = 8000;
const IDLE_SECONDS: Seconds = 10;

const MASTER_METRICS: readonly Metric[] = [
  { key: 'masterPercent', title: "master's CPU, % of a core", digits: 3 },
  { key: 'masterMiB', title: "master's private memory, MiB", digits: 1 },
];

/** What it costs to have pools that nobody asks anything. */
export const idleMaster: Scenario = {
  name: 'idle-master',
  title: 'ten idle dynamic pools',
  pool: {
    pm: 'dynamic',
    maxChildren: 60,
    pools: 10,
    directives: { 'pm.start_servers': '2', 'pm.min_spare_servers': '1', 'pm.max_spare_servers': '4' },
  },
  metrics: MASTER_METRICS,
  targets: [{ metric: 'masterPercent', atMost: 0.2, isAbsolute: true }],
  once: true,
  warmUp: async () => [],

  async measure(bench) {
    await sleep(SETTLE_MS, undefined, { signal: bench.signal });
    return measureMaster(bench, async () => {
      await sleep(IDLE_SECONDS * 1000, undefined, { signal: bench.signal });
      return [];
    });
  },
};

/** What the master has to do while its workers have all that they can do. */
export const busyMaster: Scenario = {
  name: 'busy-master',
  title: 'hello world at full load, static',
  pool: { pm: 'static', maxChildren: WORKERS },
  metrics: MASTER_METRICS,
  targets: [{ metric: 'masterPercent', atMost: 2, isAbsolute: true }],
  mostRounds: 3,

  async warmUp(bench) {
    return describeFailures(await loadHello(bench, 0.5));
  },

  async measure(bench) {
    return measureMaster(bench, async () => describeFailures(await loadHello(bench, bench.seconds)));
  },
};

const loadHello = (bench: Bench, seconds: Seconds) =>
  bench.load({ script: `${bench.site.pages}/hello.php`, connections: 2 * WORKERS, seconds });

async function measureMaster({ subject }: Bench, act: () => Promise<readonly string[]>) {
  const pid: Pid = subject.mainPid() ?? 0;
  const before = threadsCpuTimeNs(pid);
  const from = performance.now();
  const problems = await act();
  const elapsedNs = (performance.now() - from) * 1e6;
  const after = threadsCpuTimeNs(pid);
  if (before === undefined || after === undefined) return { values: {}, problems: ['there is no master'] };
  return {
    values: {
      masterPercent: (100 * Number(after - before)) / elapsedNs,
      masterMiB: privateBytes(pid) / 2 ** 20,
    },
    problems,
  };
}
