/**
 * The real daemon under load, while everything happens to it at once.
 *
 *   node dist/test/soak/soak.js [--seconds N] [--seed N]
 *
 * Reloads, log rotations, ends of workers, zygotes, templates and keepers at random moments, on pools of every kind, with clients
 * that keep their connections and others. At the end no request is lost and no kept connection closed but those that killed
 * processes had in hand, and no descriptor, process, shared memory or file is left.
 */
import { readFileSync, renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { processLife } from '../../src/os/process-life.js';
import type { Count, Pid } from '../../src/units.js';
import { buildLoadGenerator, type LoadResult, runLoad } from '../bench/load-generator.js';
import { Daemon, type DaemonOptions } from '../helpers/daemon.js';
import { DaemonFolder, type Settings } from '../helpers/daemon-folder.js';
import { freePort } from '../helpers/ports.js';
import { descriptorsOf } from '../helpers/processes.js';
import { RELOADED } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';
import { type Random, randomFrom } from './random.js';

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds ?? 600);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);

const DYNAMIC: Settings = {
  pm: 'dynamic',
  'pm.max_children': 8,
  'pm.start_servers': 2,
  'pm.min_spare_servers': 1,
  'pm.max_spare_servers': 3,
};
const ONDEMAND: Settings = { pm: 'ondemand', 'pm.max_children': 8, 'pm.process_idle_timeout': '2s' };

const POOLS: Readonly<Record<string, Settings>> = {
  'static-unix': { 'pm.max_children': 4 },
  'static-tcp': { 'pm.max_children': 4, listen: `127.0.0.1:${await freePort()}`, 'pm.max_requests': 200 },
  'dynamic-unix': DYNAMIC,
  'dynamic-tcp': { ...DYNAMIC, listen: `127.0.0.1:${await freePort()}` },
  'ondemand-unix': ONDEMAND,
  'shared-static': { 'pm.max_children': 4, 'opcache.share': 'both' },
  'shared-ondemand': { ...ONDEMAND, 'opcache.share': 'both' },
};
const NAMES = Object.keys(POOLS);

/** What belongs to such a run; anything else in the log fails it. */
const EXPECTED = [
  /child [0-9]+ exited on signal (?:6|7|9|11) /,
  /zygote [0-9]+ exited on signal 9 \(SIGKILL\)/,
  /keeper [0-9]+ of kept connections exited on signal 9 \(SIGKILL\)/,
  /template [0-9]+ of php-cgi '.*' ended: it (?:exited on signal 9|did not answer)/,
  /a template of php-cgi '.*' cannot be started: it (?:exited on signal 9|was not ready)/,
  /php-cgi '.*' exited on signal 9 \(SIGKILL\) before it was ready/,
  /its first worker does not answer: (?:zygote [0-9]+ exited|it exited) on signal/,
  /the new generation has ended before it served; the old one stays/,
  /ERROR: reloaded; .*; not in force: pool /,
  /failed processes threshold/,
  /children end as soon as they start/,
  /server reached (?:pm\.)?max_children setting/,
  /seems busy/,
];
/** A line that says that a worker had a request in hand. */
const LOST = / was lost after [0-9.]+ sec/g;

interface Tally {
  reloads: Count;
  rotations: Count;
  /** One may be struck twice. */
  workersKilled: Pid[];
  zygoteKills: Count;
  templateKills: Count;
  keeperKills: Count;
}

const titled = (daemon: Daemon, start: string): Pid[] =>
  daemon
    .family()
    .filter(({ title }) => title.startsWith(start))
    .map(({ pid }) => pid);
const zygotes = (daemon: Daemon): Pid[] => titled(daemon, 'tsfpm: zygote ');
const templates = (daemon: Daemon): Pid[] => titled(daemon, 'tsfpm: template');

const keepers = (daemon: Daemon): Pid[] => titled(daemon, 'tsfpm: keeper ');

/** Descriptors, but those that stand for workers: their number changes with the load. */
const heldFor = (pid: Pid) =>
  [...descriptorsOf(pid).values()].filter((target) => target !== 'anon_inode:[pidfd]').length;

const sharedMemory = (pid: Pid): Count =>
  [...descriptorsOf(pid).values()].filter((target) => target.includes('memfd:tsfpm')).length +
  (readFileSync(`/proc/${pid}/maps`, 'utf8').match(/memfd:tsfpm/g)?.length ?? 0);

const residentMiB = (pid: Pid): number =>
  Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;

function kill(pid: Pid | undefined, signal: NodeJS.Signals): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false; // ESRCH: it has just ended
  }
}

/** One thing that happens. */
function act(daemon: Daemon, random: Random, tally: Tally, rotated: string[]): void {
  const choice = random.below(22);
  if (choice < 6) {
    daemon.signal(random.pick(['SIGUSR2', 'SIGHUP'] as const) ?? 'SIGUSR2');
    tally.reloads++;
  } else if (choice < 8) {
    const name = daemon.folder.at(`error.log.${rotated.length}`);
    renameSync(daemon.folder.at('error.log'), name);
    rotated.push(name);
    daemon.signal('SIGUSR1');
    tally.rotations++;
  } else if (choice < 19) {
    const victim = random.pick(daemon.workers(random.pick(NAMES)));
    const signal = random.pick(['SIGKILL', 'SIGSEGV', 'SIGBUS', 'SIGABRT'] as const) ?? 'SIGKILL';
    if (victim !== undefined && kill(victim, signal)) tally.workersKilled.push(victim);
  } else if (choice < 20) {
    if (kill(random.pick(zygotes(daemon)), 'SIGKILL')) tally.zygoteKills++;
  } else if (choice < 21) {
    if (kill(random.pick(keepers(daemon)), 'SIGKILL')) tally.keeperKills++;
  } else if (kill(random.pick(templates(daemon)), random.pick(['SIGKILL', 'SIGSTOP'] as const) ?? 'SIGKILL'))
    tally.templateKills++;
}

/** Idle again: one generation of each pool, and no more workers than an idle pool keeps. */
async function untilQuiet(daemon: Daemon): Promise<void> {
  await until(
    'every pool is idle, in one generation',
    () =>
      zygotes(daemon).length === NAMES.length &&
      NAMES.every((name) => {
        const count = daemon.workers(name).length;
        const { pm } = POOLS[name] ?? {};
        if (pm === 'ondemand') return count === 0;
        return pm === 'dynamic' ? count >= 1 && count <= 3 : count === 4;
      }),
    60_000,
  );
  await sleep(500);
}

/** Clients of each load. */
const CONNECTIONS: Count = 3;

/** A pool has a keeper, and the master its descriptors, once a client has kept its connection. */
async function haveKeepers(daemon: Daemon): Promise<void> {
  await Promise.all(NAMES.map((pool) => load(daemon, pool, 1, 0.5)));
  await until('every pool has a keeper', () => keepers(daemon).length === NAMES.length);
}

function load(daemon: Daemon, pool: string, index: number, forSeconds = seconds): Promise<LoadResult> {
  const address = daemon.address(pool);
  return runLoad(
    {
      address: typeof address === 'string' ? address : `${address.host}:${address.port}`,
      script: daemon.folder.script('work.php'),
      connections: CONNECTIONS,
      keepAlive: index % 2 === 1,
      seconds: forSeconds,
      timeoutMs: 60_000,
    },
    new AbortController().signal,
  );
}

async function soak(daemon: Daemon): Promise<string[]> {
  const faults: string[] = [];
  const random = randomFrom(seed);
  for (const pool of NAMES) await daemon.get('work.php', { pool });
  await haveKeepers(daemon);
  daemon.signal('SIGUSR2');
  await daemon.log.expect(RELOADED);
  for (const pool of NAMES) await daemon.get('work.php', { pool });
  await untilQuiet(daemon);
  const before = {
    descriptors: heldFor(daemon.pid),
    memory: sharedMemory(daemon.pid),
    mib: residentMiB(daemon.pid),
  };
  const tally: Tally = {
    reloads: 0,
    rotations: 0,
    workersKilled: [],
    zygoteKills: 0,
    templateKills: 0,
    keeperKills: 0,
  };
  const rotated: string[] = [];
  const loads = NAMES.flatMap((pool) => [load(daemon, pool, 0), load(daemon, pool, 1)]);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end && !daemon.hasEnded) {
    await sleep(20 + random.below(400));
    act(daemon, random, tally, rotated);
  }
  const results = await Promise.all(loads);
  // One that dies slowly may still take the request of whoever comes first.
  await until('who was killed is gone', () =>
    tally.workersKilled.every((pid) => processLife(pid) === undefined),
  );
  for (const pool of NAMES) await daemon.get('work.php', { pool });
  await untilQuiet(daemon);
  await until('every pool has a keeper again', () => keepers(daemon).length === NAMES.length);
  const after = {
    descriptors: heldFor(daemon.pid),
    memory: sharedMemory(daemon.pid),
    mib: residentMiB(daemon.pid),
  };

  const sum = (value: (result: LoadResult) => number) =>
    results.reduce((total, result) => total + value(result), 0);
  const failed = sum((result) => result.failed);
  const closed = sum((result) => result.reconnects);
  const text = [...rotated, daemon.folder.at('error.log')].map((path) => readFileSync(path, 'utf8')).join('');
  const told = text.match(LOST)?.length ?? 0;
  const slowestMs = Math.max(...results.map(({ latencyUs }) => latencyUs.max)) / 1000;
  const kinds = JSON.stringify(
    results.reduce<Record<string, number>>((all, { failures }) => {
      for (const [kind, count] of Object.entries(failures)) all[kind] = (all[kind] ?? 0) + count;
      return all;
    }, {}),
  );
  console.log(
    `seed ${seed}, ${seconds} s: ${sum(({ ok }) => ok)} requests answered, slowest ${slowestMs.toFixed(0)} ms; ` +
      `${tally.reloads} reloads, ${tally.rotations} rotations, ` +
      `${tally.workersKilled.length} workers, ${tally.zygoteKills} zygotes, ${tally.templateKills} templates and ` +
      `${tally.keeperKills} keepers killed; ${failed} requests lost (${kinds}), ${told} told in the log; ` +
      `${closed} kept connections closed`,
  );
  console.log(
    `master: descriptors ${before.descriptors} -> ${after.descriptors}, shared memory ${before.memory} -> ${after.memory}, ` +
      `resident ${before.mib.toFixed(0)} -> ${after.mib.toFixed(0)} MiB`,
  );
  // A keeper may have all kept connections of its pool.
  const mostByKeepers = CONNECTIONS * tally.keeperKills;
  if (failed > tally.workersKilled.length + mostByKeepers)
    faults.push(`${failed} requests were lost by ${tally.workersKilled.length} killed workers`);
  if (closed > tally.workersKilled.length + mostByKeepers)
    faults.push(`${closed} kept connections were closed, which nobody who was killed had`);
  if (told > tally.workersKilled.length) faults.push(`the log tells of ${told} lost requests`);
  if (after.descriptors > before.descriptors)
    faults.push(`descriptors: ${[...descriptorsOf(daemon.pid)].join(' ')}`);
  if (after.memory !== before.memory)
    faults.push(`${after.memory} pieces of shared memory, not ${before.memory}`);
  const unexpected = text
    .split('\n')
    .filter((line) => /\] (?:WARNING|ERROR|ALERT): /.test(line))
    .filter((line) => !EXPECTED.some((pattern) => pattern.test(line)));
  faults.push(...unexpected.slice(0, 20).map((line) => `unexpected in the log: ${line}`));
  return faults;
}

async function main(): Promise<number> {
  buildLoadGenerator();
  const options: DaemonOptions = {
    global: { emergency_restart_threshold: 10, emergency_restart_interval: 5 },
    pools: Object.fromEntries(NAMES.map((name) => [name, { rlimit_core: 0, ...POOLS[name] }])),
    files: { 'work.php': '<?php usleep(random_int(0, 30000)); echo getmypid();' },
    arguments: [],
    logTo: 'file',
  };
  const folder = new DaemonFolder();
  folder.writePieces(options);
  const daemon = new Daemon(folder, options);
  daemon.announce(...EXPECTED);
  console.log(`seed ${seed}`);
  const faults: string[] = [];
  try {
    await daemon.start();
    faults.push(...(await soak(daemon)));
  } catch (error) {
    faults.push(`${(error as Error).stack}\n${daemon.log.tail}`);
  }
  // Stops it, and looks for processes and files that are left.
  await daemon.finish().catch((error: Error) => faults.push(error.message));
  for (const fault of faults) console.error(fault);
  console.log(faults.length === 0 ? 'soak: passed' : `soak: FAILED (--seed ${seed})`);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
