import { fetchPage, runLoad } from './load-generator.js';
import { othersPercent, processorUse } from './noise.js';
import type { ScenarioResult, SubjectResult } from './results.js';
import type { Bench, Scenario } from './scenario.js';
import type { Site } from './site.js';
import type { Subject } from './subject.js';

export interface RunSettings {
  readonly rounds: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Told after each step, for whoever watches. */
  progress(text: string): void;
}

interface Entry {
  readonly bench: Bench;
  readonly result: SubjectResult;
}

/**
 * Measures one scenario with all subjects alive side by side, in turns: A B C, C B A.
 * Fresh processes for each scenario, so that none inherits another's opcache. All are stopped at the end, whatever happens.
 */
export async function runScenario(
  scenario: Scenario,
  subjects: readonly Subject[],
  site: Site,
  settings: RunSettings,
): Promise<ScenarioResult> {
  const fit = subjects.filter((each) => each.supports(scenario.pool, { reload: scenario.reloads ?? false }));
  const entries = fit.map((subject) => createEntry(subject, site, settings));
  try {
    await scenario.prepare?.(site, fit);
    for (const entry of entries) await startAndWarmUp(scenario, entry, settings);
    const rounds = scenario.once ? 1 : Math.min(settings.rounds, scenario.mostRounds ?? settings.rounds);
    for (let round = 1; round <= rounds; round++)
      for (const entry of inTurn(entries, round)) await measureOnce(scenario, entry, round, settings);
  } finally {
    for (const { bench, result } of entries) result.problems.push(...(await bench.subject.stop()));
    entries[0]?.result.problems.push(...((await scenario.finish?.()) ?? []));
  }
  return { scenario, subjects: entries.map((entry) => entry.result) };
}

/** A B C, then C B A: none always follows the same other. */
function inTurn(entries: readonly Entry[], round: number): Entry[] {
  return round % 2 === 1 ? [...entries] : [...entries].reverse();
}

function createEntry(subject: Subject, site: Site, { seconds, signal }: RunSettings): Entry {
  const bench: Bench = {
    subject,
    site,
    seconds,
    signal,
    load: (options) => runLoad({ ...options, address: subject.address }, signal),
    fetch: (script) => fetchPage({ address: subject.address, script }, signal),
  };
  return { bench, result: { name: subject.name, samples: [], problems: [] } };
}

async function startAndWarmUp(
  scenario: Scenario,
  { bench, result }: Entry,
  settings: RunSettings,
): Promise<void> {
  settings.progress(`${scenario.name}: starting ${result.name}`);
  await bench.subject.start(scenario.pool, settings.signal);
  result.problems.push(...(await scenario.warmUp(bench)));
}

async function measureOnce(
  scenario: Scenario,
  { bench, result }: Entry,
  round: number,
  settings: RunSettings,
): Promise<void> {
  const before = processorUse();
  const sample = await scenario.measure(bench);
  result.samples.push({ ...sample, othersPercent: othersPercent(before, processorUse()) });
  const values = scenario.metrics.map(
    ({ key, digits }) => `${key} ${sample.values[key]?.toFixed(digits) ?? '-'}`,
  );
  settings.progress(`${scenario.name}: round ${round}, ${result.name}: ${values.join(', ')}`);
  for (const problem of sample.problems) settings.progress(`  ${problem}`);
}
