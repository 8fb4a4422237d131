/** `npm run bench`: process managers side by side, on this machine, in one run. */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { EXIT_OK, EXIT_USAGE, UsageError } from '../../src/errors.js';
import { buildLoadGenerator } from './load-generator.js';
import { describeMachine } from './machine.js';
import { type BenchOptions, parseOptions, USAGE } from './options.js';
import { renderNoise, renderTables, renderVerdict } from './report.js';
import { judgeTargets, problemsOf, type ScenarioResult } from './results.js';
import { runScenario } from './rounds.js';
import type { Scenario } from './scenario.js';
import { accessLog } from './scenarios/access-log.js';
import { burstDynamic, burstOndemand } from './scenarios/burst.js';
import { crashUnderLoad } from './scenarios/crash-under-load.js';
import { helloKeepAlive } from './scenarios/hello-keep-alive.js';
import { helloNewConnection } from './scenarios/hello-new-connection.js';
import { idleMemory } from './scenarios/idle-memory.js';
import { keptFifth, keptMany } from './scenarios/kept-connections.js';
import { manyIncludes } from './scenarios/many-includes.js';
import { manyPools } from './scenarios/many-pools.js';
import { busyMaster, idleMaster } from './scenarios/master.js';
import { overload } from './scenarios/overload.js';
import { reaction } from './scenarios/reaction.js';
import { realPages } from './scenarios/real-pages.js';
import { reloadUnderLoad } from './scenarios/reload-under-load.js';
import { reloadedRealPages } from './scenarios/reloaded-real-pages.js';
import { statusLatency } from './scenarios/status-latency.js';
import { upload } from './scenarios/upload.js';
import { createSite, removeSite, type Site } from './site.js';
import type { Subject } from './subject.js';
import { phpFpm } from './subjects/php-fpm.js';
import { spawnFcgi } from './subjects/spawn-fcgi.js';
import { tsfpm } from './subjects/tsfpm.js';

const SCENARIOS: readonly Scenario[] = [
  helloNewConnection,
  helloKeepAlive,
  keptFifth,
  keptMany,
  accessLog,
  manyIncludes,
  idleMemory,
  burstDynamic,
  burstOndemand,
  reaction,
  statusLatency,
  busyMaster,
  idleMaster,
  ...realPages,
  reloadUnderLoad,
  ...reloadedRealPages,
  crashUnderLoad,
  upload,
  overload,
  manyPools,
];
const SUBJECTS: Readonly<Record<string, (site: Site) => Subject>> = {
  'php-fpm': phpFpm,
  'spawn-fcgi': spawnFcgi,
  tsfpm,
};

/** Something did not hold, with `--check`. */
const EXIT_MISSED = 1;
/** The benchmark itself could not be carried out. */
const EXIT_BROKEN = 70;
const EXIT_INTERRUPTED = 130;

/** Runnable processes, mean of the last minute; above it somebody else wants the machine too. */
const QUIET_LOAD = 0.5;

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function warnIfBusy(): void {
  const [load = 0] = loadavg();
  if (load > QUIET_LOAD) progress(`The machine is not idle (load ${load.toFixed(1)}): expect a wide range.`);
}

/** Fires at the first request to end; later ones change nothing, so that the clean-up is not cut short. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort());
  return controller.signal;
}

function chooseSubjects(names: readonly string[], site: Site): Subject[] {
  const chosen = names.map((name) => SUBJECTS[name]?.(site)).filter((subject) => subject !== undefined);
  for (const { name, unavailable } of chosen) {
    if (unavailable !== undefined) progress(`${name} is left out: ${unavailable}`);
  }
  return chosen.filter((subject) => subject.unavailable === undefined);
}

function chooseScenarios(names: readonly string[]): Scenario[] {
  return SCENARIOS.filter(({ name, unavailable }) => {
    if (!names.includes(name)) return false;
    if (unavailable !== undefined) progress(`${name} is left out: ${unavailable}`);
    return unavailable === undefined;
  });
}

async function measureAll(options: BenchOptions, signal: AbortSignal): Promise<ScenarioResult[]> {
  const site = createSite();
  try {
    const subjects = chooseSubjects(options.subjects, site);
    const { rounds, seconds } = options;
    const chosen = chooseScenarios(options.scenarios);
    const results: ScenarioResult[] = [];
    for (const scenario of chosen.map((each) => (options.isShort ? (each.short ?? each) : each))) {
      results.push(await runScenario(scenario, subjects, site, { rounds, seconds, signal, progress }));
    }
    return results;
  } finally {
    removeSite(site);
  }
}

/** @returns the exit code */
function report(results: readonly ScenarioResult[], options: BenchOptions): number {
  const verdicts = judgeTargets(results);
  const problems = problemsOf(results);
  const machine = describeMachine(new Date());
  const { rounds, seconds } = options;
  const method = `Medians of ${rounds} rounds of ${seconds} s in turns (lowest-highest); 4 workers, unix socket, opcache on.`;
  const parts = [
    `${renderTables(results)}\n\n${machine}. ${method}`,
    verdicts.map(renderVerdict).join('\n'),
    renderNoise(results),
    problems.length === 0
      ? 'No request failed.'
      : `Problems:\n${problems.map((each) => `- ${each}`).join('\n')}`,
  ];
  process.stdout.write(`\n${parts.filter((part) => part !== '').join('\n\n')}\n`);
  if (options.jsonFile !== undefined) {
    const data = { machine, rounds, seconds, results, verdicts, problems };
    writeFileSync(options.jsonFile, `${JSON.stringify(data, undefined, 2)}\n`);
  }
  const isClean = problems.length === 0 && verdicts.every(({ outcome }) => outcome !== 'MISS');
  return options.isCheck && !isClean ? EXIT_MISSED : EXIT_OK;
}

async function main(args: readonly string[]): Promise<number> {
  const signal = abortOnSignals();
  try {
    const known = { subjects: Object.keys(SUBJECTS), scenarios: SCENARIOS.map((scenario) => scenario.name) };
    const options = parseOptions(args, known);
    if (options.isHelp) {
      process.stdout.write(USAGE);
      return EXIT_OK;
    }
    warnIfBusy();
    buildLoadGenerator();
    return report(await measureAll(options, signal), options);
  } catch (error) {
    if (error instanceof UsageError) {
      progress(`bench: ${error.message}\n${USAGE}`);
      return EXIT_USAGE;
    }
    if (signal.aborted) {
      progress('bench: interrupted; everything is stopped');
      return EXIT_INTERRUPTED;
    }
    progress(`bench: ${(error as Error).message}`);
    return EXIT_BROKEN;
  }
}

process.exitCode = await main(process.argv.slice(2));
