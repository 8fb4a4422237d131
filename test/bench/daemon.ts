import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Milliseconds, Pid } from '../../src/units.js';
import { EXTENSIONS_FOLDER } from '../helpers/php-programs.js';
import { fetchPage } from './load-generator.js';
import type { ProcessStat } from './proc-files.js';
import { type Descendant, descendantsOf, killAll, programOf, statOf, waitForEnd } from './processes.js';
import type { Site } from './site.js';
import type { PoolSettings, Subject } from './subject.js';

const START_TIMEOUT_MS: Milliseconds = 20_000;
const STOP_TIMEOUT_MS: Milliseconds = 5_000;
/** How often the log is looked at for the line that says "ready". */
const READY_POLL_MS: Milliseconds = 5;
/** php-fpm's line, and tsfpm's: after the start, and after each reload. */
const READY_LINE = / ready to handle connections$/gm;
const LOG_TAIL_LINES = 15;

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** What tells one subject from another. */
export interface DaemonDescription {
  readonly name: string;
  /** All must exist for the subject to take part. */
  readonly programs: readonly string[];
  /** The program its workers run, and how far under the main process they are. */
  readonly worker: { readonly program: string; readonly depth: number };
  readonly scales: boolean;
  readonly reloadSignal: NodeJS.Signals | undefined;
  /** Writes what the subject reads and says how it is started in the foreground. */
  prepare(site: Site, pool: PoolSettings, files: SubjectFiles): Command;
}

export interface SubjectFiles {
  readonly address: string;
  readonly logFile: string;
  readonly configFile: string;
}

/** Any subject that is one main process in the foreground with its workers below. */
export class Daemon implements Subject {
  readonly #description: DaemonDescription;
  readonly #site: Site;
  readonly #files: SubjectFiles;
  #main: ChildProcess | undefined;
  /** The main process and all that was seen below it: it may die first, and leave the others to init. */
  readonly #seenByPid = new Map<Pid, ProcessStat>();

  constructor(description: DaemonDescription, site: Site) {
    this.#description = description;
    this.#site = site;
    const { name } = description;
    const file = (ending: string) => join(site.folder, `${name}.${ending}`);
    const address = join(site.sockets, `${name}.sock`);
    this.#files = { address, logFile: file('log'), configFile: file('conf') };
  }

  get name(): string {
    return this.#description.name;
  }

  get address(): string {
    return this.#files.address;
  }

  get logFile(): string {
    return this.#files.logFile;
  }

  get unavailable(): string | undefined {
    const missing = this.#description.programs.filter((program) => !existsSync(program));
    return missing.length > 0 ? `there is no ${missing.join(', ')}` : undefined;
  }

  supports(pool: PoolSettings, needs: { readonly reload: boolean }): boolean {
    const { scales, reloadSignal } = this.#description;
    const fits = scales || (pool.pm === 'static' && (pool.pools ?? 1) === 1 && pool.directives === undefined);
    return fits && (reloadSignal !== undefined || !needs.reload);
  }

  async start(pool: PoolSettings, signal: AbortSignal): Promise<void> {
    await this.#spawn(pool, signal);
    await this.#untilServing(pool, signal);
  }

  async timedStart(pool: PoolSettings, signal: AbortSignal): Promise<Milliseconds> {
    return this.#timeUntilReady(() => this.#spawn(pool, signal), signal);
  }

  async #spawn(pool: PoolSettings, signal: AbortSignal): Promise<void> {
    const { program, args, environment } = this.#description.prepare(this.#site, pool, this.#files);
    const log = openSync(this.logFile, 'a');
    try {
      // In a session of its own: Ctrl-C is for the driver, which then stops each subject.
      this.#main = spawn(program, args, {
        env: {
          ...this.#site.environment,
          ...(pool.hasAllExtensions && { PHP_INI_SCAN_DIR: EXTENSIONS_FOLDER }),
          ...environment,
        },
        stdio: ['ignore', log, log],
        detached: true,
      });
      await once(this.#main, 'spawn', { signal });
    } finally {
      closeSync(log);
    }
  }

  workerPids(): Pid[] {
    const { depth, program } = this.#description.worker;
    const mainPid = this.#main?.pid;
    if (mainPid === undefined) return [];
    const path = realpathSync(program);
    return this.#lookAround(mainPid)
      .filter((process) => process.depth === depth && programOf(process.pid) === path)
      .map((process) => process.pid);
  }

  mainPid(): Pid | undefined {
    return this.#main?.pid;
  }

  reload(): void {
    const { name, reloadSignal } = this.#description;
    if (reloadSignal === undefined || !this.#main?.kill(reloadSignal))
      throw new Error(`${name} cannot reload`);
  }

  async timedReload(signal: AbortSignal): Promise<Milliseconds> {
    return this.#timeUntilReady(() => this.reload(), signal);
  }

  async stop(): Promise<string[]> {
    const main = this.#main;
    if (main?.pid === undefined) return [];
    this.#main = undefined;
    this.#lookAround(main.pid);
    const hadEnded = main.exitCode !== null || main.signalCode !== null;
    const ended = hadEnded ? undefined : once(main, 'exit');
    main.kill('SIGTERM');
    const left = await waitForEnd([...this.#seenByPid.values()], STOP_TIMEOUT_MS);
    killAll(left);
    await Promise.all([ended, waitForEnd(left, STOP_TIMEOUT_MS)]);
    this.#seenByPid.clear();
    return [
      ...(hadEnded ? [`the main process had ended by itself (${main.exitCode ?? main.signalCode})`] : []),
      ...(left.length > 0 ? [`${left.length} processes outlived SIGTERM for ${STOP_TIMEOUT_MS} ms`] : []),
    ];
  }

  /** What runs below the main process now. */
  #lookAround(mainPid: Pid): Descendant[] {
    const main = statOf(mainPid);
    const found = descendantsOf(mainPid);
    for (const each of main === undefined ? found : [main, ...found]) this.#seenByPid.set(each.pid, each);
    return found;
  }

  async #untilServing(pool: PoolSettings, signal: AbortSignal): Promise<void> {
    const script = join(this.#site.pages, 'hello.php');
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadline) {
      await sleep(50, undefined, { signal });
      if (this.#hasEnded()) break;
      const page = await fetchPage({ address: this.address, script, timeoutMs: 2_000 }, signal);
      const hasWorkers = pool.pm !== 'static' || this.workerPids().length === pool.maxChildren;
      if (page !== undefined && hasWorkers) return;
    }
    throw new Error(`${this.name} does not start serving\n${this.#logTail()}`);
  }

  async #timeUntilReady(act: () => Promise<void> | void, signal: AbortSignal): Promise<Milliseconds> {
    const before = this.#readyLines();
    const from = performance.now();
    await act();
    while (performance.now() < from + START_TIMEOUT_MS && !this.#hasEnded()) {
      if (this.#readyLines() > before) return performance.now() - from;
      await sleep(READY_POLL_MS, undefined, { signal });
    }
    throw new Error(`${this.name} does not become ready\n${this.#logTail()}`);
  }

  #readyLines(): number {
    if (!existsSync(this.logFile)) return 0;
    return readFileSync(this.logFile, 'utf8').match(READY_LINE)?.length ?? 0;
  }

  #hasEnded(): boolean {
    return this.#main?.exitCode !== null || this.#main.signalCode !== null;
  }

  #logTail(): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  }
}
