import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Milliseconds, Pid } from '../../src/units.js';
import { descendantsOf, killAll, statOf, waitForEnd } from '../bench/processes.js';
import { until } from '../helpers/wait.js';
import { worker } from './place.js';

const START_MS: Milliseconds = 60_000;
const STOP_MS: Milliseconds = 20_000;
const TAIL_CHARACTERS = 3000;

export interface ServiceOptions {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Its stdout and stderr, and where else it logs if it is told to by `args`. */
  readonly log: string;
  /** Run it as the user of the workers, not as ours. */
  readonly asWorker?: boolean;
  readonly isReady: () => boolean | Promise<boolean>;
}

/** Where Debian has what only root usually runs. */
export function programPath(...names: string[]): string {
  const found = names.find((name) => spawnSync(name, ['--version']).error === undefined);
  if (found === undefined) throw new Error(`${names[0]} is missing`);
  return found;
}

/**
 * One program beside us, in a session of its own. The kernel sends it SIGTERM when we end, in whatever way: setpriv asks
 * for that.
 */
export class Service {
  static readonly #running = new Set<Service>();
  readonly name: string;
  readonly log: string;
  readonly #child: ChildProcess;

  private constructor({ name, program, args, log, asWorker }: ServiceOptions) {
    this.name = name;
    this.log = log;
    const become =
      asWorker === true && worker !== undefined
        ? ['--reuid', String(worker.uid), '--regid', String(worker.gid), '--clear-groups']
        : [];
    const output = openSync(log, 'a');
    this.#child = spawn('setpriv', [...become, '--pdeathsig', 'TERM', program, ...args], {
      cwd: '/',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    Service.#running.add(this);
  }

  static async start(options: ServiceOptions): Promise<Service> {
    const service = new Service(options);
    await until(
      `${options.name} is ready`,
      () => {
        if (service.hasEnded) throw new Error(`${options.name} ended:\n${service.tail}`);
        return options.isReady();
      },
      START_MS,
    ).catch((error: Error) => {
      error.message += `; it said:\n${service.tail}`;
      throw error;
    });
    return service;
  }

  get pid(): Pid {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get wholeLog(): string {
    return readFileSync(this.log, 'utf8');
  }

  /** The end of its log, for messages. */
  get tail(): string {
    return this.wholeLog.slice(-TAIL_CHARACTERS);
  }

  /** @returns what is wrong with its end; empty if nothing */
  async stop(): Promise<string[]> {
    const hadEnded = this.hasEnded;
    const all = [statOf(this.pid), ...descendantsOf(this.pid)].filter((each) => each !== undefined);
    this.#child.kill('SIGTERM');
    const left = await waitForEnd(all, STOP_MS);
    killAll(left);
    Service.#running.delete(this);
    return [
      ...(hadEnded
        ? [`${this.name} had ended by itself: ${this.#child.exitCode ?? this.#child.signalCode}`]
        : []),
      ...(left.length > 0 ? [`${left.length} processes of ${this.name} outlived SIGTERM`] : []),
    ];
  }

  /** For the way out: all that is left, at once. */
  static killAll(): void {
    for (const { pid } of Service.#running)
      killAll([statOf(pid), ...descendantsOf(pid)].filter((each) => each !== undefined));
    Service.#running.clear();
  }
}
