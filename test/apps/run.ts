/**
 * Real applications behind nginx, unchanged: under tsfpm they must answer as they do under php-fpm.
 *
 *   node dist/test/apps/run.js [--soak SECONDS] [--keep] [SITE...]
 *
 * Each site is installed and visited twice, once under either process manager, on the same paths, ports and database. A
 * check is a step of a visit, an answer that is compared, or what the logs hold. Afterwards, under tsfpm, everything is
 * browsed at random while reloads go on: no request may fail. --keep leaves the scratch folder.
 */
import { setMaxListeners } from 'node:events';
import { parseArgs } from 'node:util';
import { freePort } from '../helpers/ports.js';
import { browse } from './browse.js';
import { complaints, LogMark } from './logs.js';
import { type Place, placeOf, Scratch } from './place.js';
import { differences } from './sameness.js';
import { Service } from './service.js';
import {
  accountIn,
  errorLogOf,
  MANAGERS,
  type Manager,
  startManager,
  startMariadb,
  startNginx,
} from './services.js';
import { prepareSite, type Site } from './site.js';
import { dokuwiki } from './sites/dokuwiki.js';
import { mediawiki } from './sites/mediawiki.js';
import { phpmyadmin } from './sites/phpmyadmin.js';
import { probe, probeKept } from './sites/probe.js';
import { wordpress } from './sites/wordpress.js';
import { type Exchange, Visitor } from './visitor.js';

const SITES: readonly Site[] = [probe, probeKept, mediawiki, wordpress, dokuwiki, phpmyadmin];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { soak: { type: 'string', default: '15' }, keep: { type: 'boolean', default: false } },
});
const chosen = SITES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const soakSeconds = Number(values.soak);
if (chosen.length === 0 || !(soakSeconds >= 0)) {
  console.error(`usage: run.js [--soak SECONDS] [--keep] [${SITES.map(({ name }) => name).join('|')}...]`);
  process.exit(64);
}

const tally = { passed: 0, failed: 0 };
/** Of each round. */
const scratches: Scratch[] = [];

function check(name: string, faults: readonly string[]): void {
  if (faults.length === 0) tally.passed++;
  else tally.failed++;
  console.log(`${faults.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  for (const fault of faults) console.log(`    ${fault.replaceAll('\n', '\n    ')}`);
}

/** All sites under one manager. @returns what was answered, by site */
async function visitAll(
  manager: Manager,
  scratch: Scratch,
  sites: readonly (readonly [Site, Place])[],
  afterwards: (service: Service) => Promise<void>,
): Promise<Map<string, readonly Exchange[]>> {
  const answers = new Map<string, readonly Exchange[]>();
  const mariadb = await startMariadb(scratch, accountIn(scratch));
  let service: Service | undefined;
  try {
    for (const [site, place] of sites) await prepareSite(site, place);
    service = await startManager(manager, scratch, sites);
    for (const [site, place] of sites) {
      const visitor = new Visitor(place.url);
      const step = async (what: string, act: () => Promise<void>) => {
        const name = `${manager}: ${site.name}: ${what}`;
        try {
          await act();
        } catch (error) {
          check(name, [String((error as Error).stack ?? error)]);
          throw new Abandoned();
        }
        check(name, []);
      };
      await site.visit(visitor, step, place).catch((error: unknown) => {
        if (!(error instanceof Abandoned)) throw error;
      });
      answers.set(site.name, visitor.exchanges);
    }
    await afterwards(service);
  } finally {
    if (service !== undefined) check(`${manager} ends in order`, await service.stop());
    check(`MariaDB under ${manager} ends in order`, await mariadb.stop());
  }
  return answers;
}

/** A visit that a failed step has ended: it is told already. */
class Abandoned extends Error {}

/** Two answers to the same step of a visit. */
interface Comparison {
  readonly site: Site;
  /** Of the visit: the same in every round. */
  readonly step: number;
  readonly name: string;
  readonly faults: readonly string[];
}

function compare(site: Site, ours: readonly Exchange[], theirs: readonly Exchange[]): Comparison[] {
  if (ours.length !== theirs.length)
    check(`${site.name}: as many answers`, [`${ours.length} under tsfpm, ${theirs.length} under php-fpm`]);
  return ours.flatMap((exchange, step) => {
    const other = theirs[step];
    if (other === undefined) return [];
    const { method, path, status, body } = exchange;
    const name = `${site.name}: the same answer to ${method} ${path} (${status}, ${body.length} bytes)`;
    return [{ site, step, name, faults: differences(exchange, other, site.normalisers) }];
  });
}

/**
 * Where answers differ, those sites are visited once more: what an application does at random it does not do twice in the
 * same place, and what a process manager does wrong it does.
 */
async function main(): Promise<void> {
  const first = await round(chosen, soakSeconds);
  const differing = chosen.filter((site) =>
    first.some(({ site: other, faults }) => other === site && faults.length > 0),
  );
  const second = differing.length === 0 ? [] : await round(differing, 0);
  for (const { site, step, name, faults } of first) {
    const again = second.find((other) => other.site === site && other.step === step);
    const isChance = faults.length > 0 && again?.faults.length === 0;
    check(isChance ? `${name}, the second time` : name, isChance ? [] : faults);
    if (isChance) for (const fault of faults) console.log(`    once: ${fault.replaceAll('\n', '\n    ')}`);
  }
}

/** Every visit under both managers. What goes wrong by itself is told at once, what differs is returned. */
async function round(chosenNow: readonly Site[], seconds: number): Promise<Comparison[]> {
  const scratch = new Scratch();
  scratches.push(scratch);
  const sites: (readonly [Site, Place])[] = [];
  for (const site of chosenNow)
    sites.push([site, placeOf(scratch, site.name, await freePort(), accountIn(scratch))]);
  const nginx = await startNginx(scratch, sites);
  const nginxLog = new LogMark(scratch.at('nginx', 'error.log'));
  const byManager = new Map<Manager, Map<string, readonly Exchange[]>>();
  const told = new Map<Manager, string[]>();
  for (const manager of MANAGERS) {
    const answers = await visitAll(manager, scratch, sites, async (service) => {
      // What the visits led to; reloads are the business of the lines below.
      told.set(manager, [
        ...complaints(new LogMark(errorLogOf(manager, scratch)).next()),
        ...complaints(nginxLog.next()),
      ]);
      if (manager === 'tsfpm' && seconds > 0) check(...(await browse(service, sites, scratch, seconds)));
    });
    byManager.set(manager, answers);
    nginxLog.next();
  }
  const comparisons = chosenNow.flatMap((site) =>
    compare(
      site,
      byManager.get('tsfpm')?.get(site.name) ?? [],
      byManager.get('php-fpm')?.get(site.name) ?? [],
    ),
  );
  const theirs = new Set(told.get('php-fpm'));
  const ours = (told.get('tsfpm') ?? []).filter((line) => !theirs.has(line));
  check('the logs hold no warning that those of php-fpm do not hold', [...new Set(ours)]);
  check('nginx ends in order', await nginx.stop());
  return comparisons;
}

setMaxListeners(0);
process.once('exit', () => {
  Service.killAll();
  for (const scratch of scratches) {
    if (values.keep) console.log(`kept: ${scratch.path}`);
    else scratch.remove();
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
const startedAt = performance.now();
try {
  await main();
} catch (error) {
  check('the run comes to its end', [String((error as Error).stack ?? error)]);
}
console.log(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(`${tally.passed} passed, ${tally.failed} failed, 0 skipped`);
process.exit(tally.failed === 0 ? 0 : 1);
