import type { Pid } from '../../../src/units.js';
import type { Scenario } from '../scenario.js';
import { WORKERS } from './throughput.js';
import {
  NAP_LATENCIES,
  NAP_TARGETS,
  napLatencies,
  napsWhile,
  warmUpNaps,
  writeNapPage,
} from './under-load.js';

const EVERY_MS = 200;

/** What the end of a worker costs the others. */
export const crashUnderLoad: Scenario = {
  name: 'crash-under-load',
  title: 'a worker killed each 200 ms, requests of 20 ms',
  pool: { pm: 'static', maxChildren: WORKERS },
  metrics: [
    { key: 'lostPerKill', title: 'requests lost per kill', digits: 2 },
    ...NAP_LATENCIES,
    { key: 'slowestMs', title: 'slowest, ms', digits: 0 },
    { key: 'answered', title: 'answered', digits: 0 },
  ],
  targets: [
    { metric: 'lostPerKill', isAbsolute: true, atMost: 1 },
    { metric: 'slowestMs', isAbsolute: true, atMost: 250 },
    ...NAP_TARGETS,
  ],
  prepare: writeNapPage,
  warmUp: warmUpNaps,

  async measure(bench) {
    let kills = 0;
    const { result } = await napsWhile(bench, EVERY_MS, () => {
      const pids = bench.subject.workerPids();
      const victim = pids[Math.floor(Math.random() * pids.length)];
      if (victim !== undefined && kill(victim)) kills++;
    });
    const { failed, ok: answered } = result;
    const problems = kills === 0 ? ['no worker to kill'] : [];
    return { values: { lostPerKill: failed / kills, ...napLatencies(result), answered }, problems };
  },
};

function kill(pid: Pid): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false; // ESRCH: it has just ended
  }
}
