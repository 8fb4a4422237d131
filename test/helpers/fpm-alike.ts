import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Pid } from '../../src/units.js';
import type { DaemonFolder } from './daemon-folder.js';
import { PHP_FPM } from './php-programs.js';
import { TextWatch } from './text-watch.js';

/** What belongs to a folder's path in the texts below. */
const HERE = '{folder}';

/** php-fpm with the very configuration of a tsfpm, for what is to be word for word the same. */
export class FpmAlike {
  readonly #folder: DaemonFolder;
  /** A folder of its own: sockets, logs and the pid file of the configuration are here. */
  readonly path: string;
  readonly configFile: string;
  readonly log: TextWatch;

  /** @param replaced texts of the configuration that cannot be the same, such as ports */
  constructor(folder: DaemonFolder, replaced: Readonly<Record<string, string>> = {}) {
    this.#folder = folder;
    this.path = folder.at('fpm');
    mkdirSync(this.path, { recursive: true });
    // Whoever tsfpm runs as may be the one that php-fpm runs as.
    chmodSync(this.path, 0o777);
    this.configFile = `${this.path}/tsfpm.conf`;
    this.log = TextWatch.ofFile(`${this.path}/error.log`);
    let text = readFileSync(folder.configFile, 'utf8').replaceAll(`${folder.path}/`, `${this.path}/`);
    for (const [ours, theirs] of Object.entries(replaced)) text = text.replaceAll(ours, theirs);
    writeFileSync(this.configFile, text);
  }

  /** In the foreground; it goes with the test. @returns when it serves */
  async start(t: TestContext, ...more: string[]): Promise<{ pid: Pid; signal(name: NodeJS.Signals): void }> {
    const child: ChildProcess = spawn(PHP_FPM, ['-F', '-y', this.configFile, ...more], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    t.after(async () => {
      // Not KILL: php-fpm's workers would outlive it.
      child.kill('SIGTERM');
      await ended;
    });
    await this.log.expect(/ready to handle connections\n/);
    return { pid: child.pid ?? 0, signal: (name) => child.kill(name) };
  }

  /** One run to its end, or to where it has gone into the background. */
  run(arguments_: readonly string[], command: readonly string[] = []): { code: number | null; text: string } {
    const [program = '', ...argv] = [...command, PHP_FPM, '-y', this.configFile, ...arguments_];
    const { status, stdout, stderr } = spawnSync(program, argv, { cwd: this.#folder.path, encoding: 'utf8' });
    return { code: status, text: this.inCommon(stdout + stderr) };
  }

  /** A text of either with what must differ taken out: times, pids, descriptors, paths, places in the code. */
  inCommon(text: string): string {
    return text
      .replaceAll(`${this.path}/`, `${HERE}/`)
      .replaceAll(`${this.#folder.path}/`, `${HERE}/`)
      .replace(/^\[[^\]]*\] /gm, '')
      .replace(/\bpid \d+/g, 'pid N')
      .replace(/\bpid N, \w+\(\), line \d+: /g, 'pid N, somewhere: ')
      .replace(/\bfd=\d+/g, 'fd=N')
      .replace(/\bchild \d+/g, 'child N')
      .replace(/execvp\(.*\)/g, 'execvp(...)')
      .replace(/^NOTICE: systemd monitor .*\n/gm, '');
  }
}
