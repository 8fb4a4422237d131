import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Count, Fd, Pid } from '../../src/units.js';
import { DaemonFolder, type Pieces, type Settings } from './daemon-folder.js';
import { type FcgiAddress, type FcgiResponse, fcgiRequest, scriptParams } from './fastcgi-client.js';
import { allProcesses, descriptorsOf, killProcess, type ProcessInfo } from './processes.js';
import { TextWatch } from './text-watch.js';
import { sleep, until } from './wait.js';

/** dist/test/helpers/ -> bin/tsfpm */
export const TSFPM = fileURLToPath(new URL('../../../bin/tsfpm', import.meta.url));

export interface DaemonOptions extends Pieces {
  /** After `--config FILE -F`. Default: `-O`, so that the log is stderr. */
  readonly arguments?: readonly string[];
  /** The command before its arguments, where it is not `node bin/tsfpm`; it must keep its pid. */
  readonly command?: readonly [string, ...string[]];
  /** Added to the environment of the master. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Listening sockets that the master inherits from 3 on, as from a socket unit of systemd; they stay the caller's. */
  readonly lent?: readonly Fd[];
  /** Which log {@link Daemon.expectLog} reads; `file` is error.log. Default stderr. */
  readonly logTo?: 'stderr' | 'file';
  /** Do not check what must hold after every test: this one breaks the daemon on purpose. */
  readonly isUnchecked?: boolean;
}

export interface DaemonRequest {
  /** Default: the first pool. */
  readonly pool?: string;
  /** FastCGI params beyond those of a usual GET. */
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly timeoutMs?: number;
}

export interface DaemonResponse extends FcgiResponse {
  readonly text: string;
}

export interface DaemonEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How one run of the command went that was not to become a daemon. */
export interface FailedStart extends DaemonEnd {
  readonly stderr: string;
  readonly stdout: string;
  readonly folder: DaemonFolder;
}

const STOP_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGKILL'];

const LOOKS = 3;
const BETWEEN_LOOKS_MS = 10;

/** More than a connection whose client has left needs to be closed. */
const CLOSING_MS = 100;

/** The harness's own patience with a start, which compiles nothing and waits for php-cgi. */
const START_MS = 30_000;

/**
 * Starts the real daemon in a folder of its own, and returns when it serves. After the test it checks that the daemon
 * stops in order and leaves nothing behind, and removes everything, whatever happened.
 */
export async function startTsfpm(t: TestContext, options: DaemonOptions = {}): Promise<Daemon> {
  const folder = new DaemonFolder();
  folder.writePieces(options);
  const daemon = new Daemon(folder, options);
  t.after(() => daemon.finish());
  await daemon.start();
  return daemon;
}

/** A folder with these pieces, where nothing runs yet. It goes with the test. */
export function prepareFolder(t: TestContext, pieces: Pieces = {}): DaemonFolder {
  const folder = new DaemonFolder();
  folder.writePieces(pieces);
  t.after(() => {
    killFamily(folder);
    folder.remove();
  });
  return folder;
}

/** Runs the command in a folder with these pieces, to its end. */
export async function runTsfpm(t: TestContext, options: DaemonOptions = {}): Promise<FailedStart> {
  return runIn(prepareFolder(t, options), options);
}

/** Runs the command in a folder that is there already, to its end. */
export async function runIn(folder: DaemonFolder, options: DaemonOptions = {}): Promise<FailedStart> {
  const child = spawnMaster(folder, options);
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream, i) => {
    if (stream === null) throw new Error('no pipe');
    return TextWatch.ofStream(i === 0 ? 'stdout' : 'stderr', stream);
  });
  let end: DaemonEnd | undefined;
  child.once('close', (code, signal) => {
    end = { code, signal };
  });
  const ended = await until(`${TSFPM} has ended`, () => end, START_MS).catch((error: Error) => {
    child.kill('SIGKILL');
    error.message += `; it said:\n${stderr?.text}`;
    throw error;
  });
  return { ...ended, stdout: stdout?.text ?? '', stderr: stderr?.text ?? '', folder };
}

function spawnMaster(folder: DaemonFolder, options: DaemonOptions): ChildProcess {
  const { arguments: more = ['-O'], environment = {}, lent = [] } = options;
  const launcher = options.command ?? [process.execPath, TSFPM];
  const command = [...launcher, '--config', folder.configFile, '-F', ...more];
  const [program = '', ...argv] =
    lent.length === 0
      ? command
      : ['/bin/sh', '-c', `LISTEN_PID=$$ LISTEN_FDS=${lent.length} exec "$@"`, 'sh', ...command];
  return spawn(program, argv, {
    // Its descendants are told by it.
    cwd: folder.path,
    env: { PATH: process.env.PATH, TMPDIR: folder.at('tmp'), ...environment },
    stdio: ['ignore', 'pipe', 'pipe', ...lent],
  });
}

/** Processes whose working directory is in the folder: the daemon's, and what its scripts started. */
export function familyOf(folder: DaemonFolder): ProcessInfo[] {
  return allProcesses().filter(
    ({ pid, folder: at }) => pid !== process.pid && (at === folder.path || at?.startsWith(`${folder.path}/`)),
  );
}

function killFamily(folder: DaemonFolder): void {
  for (const { pid } of familyOf(folder)) killProcess(pid);
}

/** One daemon under test. */
export class Daemon {
  readonly folder: DaemonFolder;
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;
  #end: DaemonEnd | undefined;
  #log: TextWatch | undefined;
  readonly #expected: RegExp[] = [];
  #idleDescriptors: Count | undefined;
  #isStopping = false;

  constructor(folder: DaemonFolder, options: DaemonOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** Starts the master, again after an end, and waits until it serves with all of its workers. */
  async start(): Promise<void> {
    const child = spawnMaster(this.folder, this.#options);
    this.#child = child;
    this.#end = undefined;
    this.#isStopping = false;
    child.once('exit', (code, signal) => {
      this.#end = { code, signal };
    });
    child.stdout?.resume();
    if (child.stderr === null) throw new Error('no pipe');
    const stderr = TextWatch.ofStream('stderr', child.stderr);
    this.#log = this.#options.logTo === 'file' ? TextWatch.ofFile(this.folder.at('error.log')) : stderr;
    await until(
      'the daemon is ready',
      () => this.#end !== undefined || this.#isReady(stderr),
      START_MS,
    ).catch((error: Error) => {
      error.message += `; it said:\n${stderr.text}`;
      throw error;
    });
    if (this.#end !== undefined)
      throw new Error(`the daemon ended with ${JSON.stringify(this.#end)} and said:\n${stderr.text}`);
    this.#idleDescriptors =
      this.#options.isUnchecked || this.#scales ? undefined : await this.#settledDescriptors();
  }

  get pid(): Pid {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the daemon was not started');
    return pid;
  }

  /** Its stderr or error.log. */
  get log(): TextWatch {
    if (this.#log === undefined) throw new Error('the daemon was not started');
    return this.#log;
  }

  get stderr() {
    return this.#child?.stderr;
  }

  /** Where a pool listens. */
  address(pool = this.#firstPool): FcgiAddress {
    const listen = this.#listenOf(pool);
    const tcp = /^(?:\[?(?<host>[^\]]*)\]?:)?(?<port>[0-9]+)$/.exec(listen)?.groups;
    return tcp === undefined ? listen : { host: tcp.host ?? '127.0.0.1', port: Number(tcp.port) };
  }

  /** One request of a script below www/, on a connection of its own. */
  async request(script: string, request: DaemonRequest = {}): Promise<DaemonResponse> {
    const body = Buffer.from((request.body ?? '') as string);
    const response = await fcgiRequest(this.address(request.pool), {
      params: scriptParams(this.folder.script(script), {
        ...(body.length > 0 ? { CONTENT_LENGTH: String(body.length), REQUEST_METHOD: 'POST' } : {}),
        ...request.params,
      }),
      stdin: body,
      timeoutMs: request.timeoutMs ?? 20_000,
    });
    return { ...response, text: response.body.toString() };
  }

  /** The text of a script's answer, which must be a success. */
  async get(script: string, request: DaemonRequest = {}): Promise<string> {
    const { status, text, stderr } = await this.request(script, request);
    if (status !== 200) throw new Error(`${script} was answered with ${status}: ${text}\n${stderr}`);
    return text;
  }

  async getJson<Answer>(script: string, request: DaemonRequest = {}): Promise<Answer> {
    const text = await this.get(script, request);
    try {
      return JSON.parse(text) as Answer;
    } catch (cause) {
      throw new Error(`${script} did not answer with JSON: ${text}`, { cause });
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (STOP_SIGNALS.includes(signal)) this.#isStopping = true;
    this.#child?.kill(signal);
  }

  /** Waits for a line of the log behind the last expected one, and announces it: it may be an error. */
  expectLog(pattern: RegExp): Promise<RegExpMatchArray> {
    this.announce(pattern);
    return this.log.expect(pattern);
  }

  /** Lines that would fail the test, but belong to it. */
  announce(...patterns: RegExp[]): void {
    this.#expected.push(...patterns);
  }

  /** Every process of the daemon and of its scripts, but the master. */
  family(): ProcessInfo[] {
    return familyOf(this.folder).filter(({ pid }) => pid !== this.pid);
  }

  zygote(pool = this.#firstPool): Pid | undefined {
    return this.#titled(`tsfpm: zygote ${pool}`)[0];
  }

  workers(pool = this.#firstPool): Pid[] {
    return this.#titled(`tsfpm: pool ${pool}`);
  }

  /** The processes that hold kept connections. */
  keepers(pool = this.#firstPool): Pid[] {
    return this.#titled(`tsfpm: keeper ${pool}`);
  }

  /** Waits until the pool has that many workers; default: as many as it may have. */
  async untilWorkers(count?: Count, pool = this.#firstPool): Promise<Pid[]> {
    const wanted = count ?? Number(this.#settingsOf(pool)['pm.max_children']);
    return until(`pool ${pool} has ${wanted} workers`, () => {
      const pids = this.workers(pool);
      return pids.length === wanted && pids;
    });
  }

  /** For what the master opens once, when it is first needed: from here on its descriptors must stay as many. */
  async settle(): Promise<void> {
    await sleep(CLOSING_MS);
    this.#idleDescriptors = await this.#settledDescriptors();
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<DaemonEnd> {
    this.signal(signal);
    return this.ended();
  }

  async ended(): Promise<DaemonEnd> {
    return until('the master has ended', () => this.#end).catch((error: Error) => {
      error.message += `; its log:\n${this.log.tail}`;
      throw error;
    });
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** The end of a test: stops what runs, checks what must always hold, removes everything. */
  async finish(): Promise<void> {
    try {
      if (this.#child !== undefined && !this.#options.isUnchecked) await this.#check();
    } finally {
      this.#child?.kill('SIGKILL');
      this.#child?.stderr?.destroy();
      killFamily(this.folder);
      this.folder.remove();
    }
  }

  async #check(): Promise<void> {
    const faults: string[] = [];
    if (!this.hasEnded && !this.#isStopping) {
      const now = this.#scales ? undefined : await this.#settledDescriptors(this.#idleDescriptors);
      if (now !== this.#idleDescriptors)
        faults.push(
          `the master had ${this.#idleDescriptors} descriptors and now has ${now}: ${[...descriptorsOf(this.pid)].join(' ')}`,
        );
      this.signal('SIGTERM');
    }
    const end = await this.ended();
    if (end.code !== 0) faults.push(`the master ended with ${JSON.stringify(end)}`);
    for (const { pid, title } of this.family()) faults.push(`left process ${pid}: ${title}`);
    faults.push(...this.#leftFiles(), ...this.#unannounced());
    if (faults.length > 0) throw new Error(`${faults.join('\n')}\nThe log:\n${this.log.tail}`);
  }

  #leftFiles(): string[] {
    const names = [...Object.keys(this.#pools).map((pool) => this.#listenOf(pool)), 'tsfpm.pid']
      // A TCP address is no file.
      .map((name) => (name.startsWith('/') ? name : this.folder.at(name)));
    const temporary = readdirSync(this.folder.at('tmp')).map((name) => this.folder.at(`tmp/${name}`));
    return [...names.filter((path) => existsSync(path)), ...temporary].map((path) => `left file ${path}`);
  }

  /** Warnings, errors and stack traces that the test did not expect. */
  #unannounced(): string[] {
    return this.log.lines
      .filter((line) =>
        /\] (?:WARNING|ERROR|ALERT): |"level":"(?:warning|error|alert)"|^ {4}at \S/.test(line),
      )
      .filter((line) => !this.#expected.some((pattern) => pattern.test(line)))
      .map((line) => `unexpected in the log: ${line}`);
  }

  #isReady(stderr: TextWatch): boolean {
    const { global = {}, arguments: given, logTo } = this.#options;
    const level = global.log_level ?? 'notice';
    // Once it serves it writes to its log alone, which may be nowhere that this could read.
    const isUnread = given !== undefined && !given.includes('-O') && logTo !== 'file';
    if (isUnread || (level !== 'notice' && level !== 'debug')) return this.workers().length > 0;
    return (
      /ready to handle connections/.test(this.log.text) || /ready to handle connections/.test(stderr.text)
    );
  }

  /** How many descriptors the idle master has; given a number, that one if it comes to it. */
  async #settledDescriptors(wanted?: Count): Promise<Count | undefined> {
    const kinds = () => [...descriptorsOf(this.pid).values()];
    const isPidfd = (kind: string) => kind === 'anon_inode:[pidfd]';
    // A worker is seen here before its master has heard of it.
    // A pool whose clients keep their connections has a keeper from then on: two ends of a socket pair, and a page.
    const keeping = () =>
      3 * Object.keys(this.#pools).reduce((sum, pool) => sum + this.keepers(pool).length, 0);
    const count = () => kinds().filter((kind) => !isPidfd(kind)).length - keeping();
    const max = Number(this.#options.global?.['process.max'] ?? 0) || Number.POSITIVE_INFINITY;
    const workers = Object.keys(this.#pools).reduce(
      (sum, pool) => sum + Number(this.#settingsOf(pool)['pm.max_children']),
      0,
    );
    const current = () => Object.keys(this.#pools).reduce((sum, pool) => sum + this.workers(pool).length, 0);
    if (wanted === undefined) {
      const enough = () => this.hasEnded || this.#isStopping || current() >= Math.min(workers, max);
      await until('every worker is there', enough).catch((error: Error) => {
        error.message += `; the log:\n${this.log.tail}`;
        throw error;
      });
      // The master reads files of /proc at this moment, too: the least of some looks is what it has open for long.
      const looks: Count[] = [];
      while (looks.length < LOOKS && !this.hasEnded && !this.#isStopping) {
        looks.push(count());
        await sleep(BETWEEN_LOOKS_MS);
      }
      return this.hasEnded || this.#isStopping ? undefined : Math.min(...looks);
    }
    const isAsBefore = () => count() === wanted && kinds().filter(isPidfd).length <= current();
    return until('the master has as many descriptors as before', isAsBefore, 3000).then(
      () => wanted,
      () => kinds().length,
    );
  }

  get #pools(): Readonly<Record<string, Settings>> {
    return this.#options.pools ?? { www: {} };
  }

  /** The number of workers of such pools changes, and with it the master's descriptors: their tests look themselves. */
  get #scales(): boolean {
    return Object.keys(this.#pools).some((pool) => this.#settingsOf(pool).pm !== 'static');
  }

  get #firstPool(): string {
    return Object.keys(this.#pools)[0] ?? 'www';
  }

  #settingsOf(pool: string): Settings {
    return this.folder.poolSettings(pool, this.#pools[pool] ?? {});
  }

  #listenOf(pool: string): string {
    return String(this.#settingsOf(pool).listen).replaceAll('{folder}', this.folder.path);
  }

  #titled(title: string): Pid[] {
    return this.family()
      .filter((info) => info.title === title)
      .map(({ pid }) => pid);
  }
}
