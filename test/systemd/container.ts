import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { errorText } from '../../src/errors.js';
import { childPids } from '../../src/os/process-life.js';
import type { Pid } from '../../src/units.js';
import { until } from '../helpers/wait.js';

const BOOT_MS = 60_000;
const COMMAND_MS = 120_000;
const HALT_MS = 20_000;

export interface ContainerOptions {
  /** Folder of a Debian; it stays as it is. */
  readonly root: string;
  /** Seen as /opt/tsfpm, to be read only. */
  readonly checkout: string;
  /** A node for /usr/local/bin, where Debian's own is too old. */
  readonly node: string | undefined;
}

export interface Ran {
  readonly code: number | null;
  /** stdout and stderr, as they came. */
  readonly output: string;
}

/** A Debian that its own systemd has booted, with a network of its own; all that is written in it is gone at its end. */
export class Container {
  readonly #nspawn: ChildProcess;
  readonly #init: Pid;

  private constructor(nspawn: ChildProcess, init: Pid) {
    this.#nspawn = nspawn;
    this.#init = init;
  }

  static async boot({ root, checkout, node }: ContainerOptions): Promise<Container> {
    const nspawn = spawn(
      'systemd-nspawn',
      [
        ...['--quiet', '--boot', `--directory=${root}`, '--volatile=overlay', '--register=no', '--keep-unit'],
        ...[`--machine=tsfpm-${process.pid}`, '--private-network', '--console=pipe', '--resolv-conf=off'],
        `--bind-ro=${checkout}:/opt/tsfpm`,
        ...(node === undefined ? [] : [`--bind-ro=${node}:/usr/local/bin/node`]),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let words = '';
    for (const stream of [nspawn.stdout, nspawn.stderr])
      stream?.on('data', (chunk: Buffer) => {
        words = (words + chunk.toString()).slice(-2000);
      });
    process.once('exit', () => nspawn.kill('SIGKILL'));
    // Its first child makes the container and ends; the one after it is the container's systemd.
    const init = () => childPids(nspawn.pid ?? 0)[0] ?? 0;
    try {
      await until(
        'the container is up',
        () => {
          if (nspawn.exitCode !== null) throw new Error('systemd-nspawn has ended');
          const { stdout } = spawnSync(
            'nsenter',
            ['-t', `${init()}`, '-a', '--', 'systemctl', 'is-system-running'],
            {
              encoding: 'utf8',
              timeout: 5000,
            },
          );
          return /^(?:running|degraded)/.test(stdout);
        },
        BOOT_MS,
      );
    } catch (error) {
      nspawn.kill('SIGKILL');
      throw new Error(`${errorText(error)}: ${words}`);
    }
    return new Container(nspawn, init());
  }

  run(...command: readonly string[]): Ran {
    const { status, stdout, stderr, error } = spawnSync('nsenter', this.#words(command), {
      encoding: 'utf8',
      timeout: COMMAND_MS,
    });
    return { code: status, output: `${stdout}${stderr}${error?.message ?? ''}` };
  }

  /** The same, while this process goes on. */
  async begin(...command: readonly string[]): Promise<Ran> {
    const child = spawn('nsenter', this.#words(command), {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk;
      });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  #words(command: readonly string[]): string[] {
    const environment = ['-i', 'PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'];
    return ['-t', `${this.#init}`, '-a', '--', 'env', ...environment, ...command];
  }

  /** A path in the container as this machine sees it. */
  at(path: string): string {
    return `/proc/${this.#init}/root${path}`;
  }

  write(path: string, text: string): void {
    writeFileSync(this.at(path), text);
  }

  async halt(): Promise<void> {
    const { pid } = this.#nspawn;
    this.#nspawn.kill('SIGTERM');
    await until(`${pid} has ended`, () => this.#nspawn.exitCode !== null, HALT_MS).catch(() =>
      this.#nspawn.kill('SIGKILL'),
    );
  }
}
