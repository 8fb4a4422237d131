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

const EVERY_MS = 1000;

/** What a deployment costs whoever is asking at the moment; each subject at its defaults. */
export const reloadUnderLoad: Scenario = {
  name: 'reload-under-load',
  title: 'one reload a second, requests of 20 ms',
  pool: { pm: 'static', maxChildren: WORKERS },
  reloads: true,
  metrics: [
    { key: 'lost', title: 'requests lost', digits: 0 },
    ...NAP_LATENCIES,
    { key: 'slowestMs', title: 'slowest, ms', digits: 0 },
    { key: 'answered', title: 'answered', digits: 0 },
  ],
  targets: [
    { metric: 'lost', isAbsolute: true, atMost: 0 },
    { metric: 'slowestMs', isAbsolute: true, atMost: 250 },
    ...NAP_TARGETS,
  ],
  prepare: writeNapPage,
  warmUp: warmUpNaps,

  async measure(bench) {
    const { result } = await napsWhile(bench, EVERY_MS, () => bench.subject.reload());
    const { failed: lost, ok: answered } = result;
    // Lost requests are what is measured, no doubt about it.
    return { values: { lost, ...napLatencies(result), answered }, problems: [] };
  },
};
