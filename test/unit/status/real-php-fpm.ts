import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FCGI_END_REQUEST, FCGI_RESPONDER, FCGI_STDIN, FCGI_STDOUT } from '../../../src/fastcgi/constants.js';
import { encodeBeginRequest, encodeParams, encodeStreamEnd } from '../../../src/fastcgi/encode.js';
import { FastcgiConnection } from '../../helpers/fastcgi-client.js';

export const PHP_FPM = 'php-fpm8.2';
const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5000;

/** `8.2.36`; undefined where there is none. */
export function phpFpmVersion(): string | undefined {
  const { stdout } = spawnSync(PHP_FPM, ['-v'], { encoding: 'utf8' });
  return /^PHP (\S+)/.exec(stdout ?? '')?.[1];
}

/** A php-fpm of its own with one pool `www`: its pages are what ours are compared with. */
export class RealPhpFpm {
  readonly folder: string;
  readonly script: string;
  readonly #socket: string;
  readonly #process: ChildProcess;

  private constructor(folder: string, environment: NodeJS.ProcessEnv, poolLines: string) {
    this.folder = folder;
    this.script = join(folder, 'i.php');
    this.#socket = join(folder, 'php.sock');
    // The workers run as another user and must reach script and socket.
    chmodSync(folder, 0o755);
    writeFileSync(this.script, '<?php echo "ok";', { mode: 0o644 });
    const file = join(folder, 'php-fpm.conf');
    writeFileSync(file, configuration(folder, this.#socket, poolLines));
    // No stdio: nothing would read it, and php-fpm ends when it cannot write.
    this.#process = spawn(PHP_FPM, ['-n', '-F', '-y', file], { stdio: 'ignore', env: environment });
  }

  /** @param poolLines more of its pool, or other values; `{folder}` is its folder */
  static async start(environment: NodeJS.ProcessEnv, poolLines = ''): Promise<RealPhpFpm> {
    const server = new RealPhpFpm(mkdtempSync(join(tmpdir(), 'tsfpm-status-')), environment, poolLines);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!existsSync(server.#socket)) {
      if (server.#process.exitCode !== null || performance.now() > deadline) {
        await server.stop();
        throw new Error(`${PHP_FPM} does not start`);
      }
      await sleep(20);
    }
    return server;
  }

  /** What php-fpm writes to FCGI_STDOUT, header and all. */
  async get(params: Readonly<Record<string, string>>, socket = this.#socket): Promise<Buffer> {
    const connection = await FastcgiConnection.open(socket);
    try {
      connection.send(
        Buffer.concat([
          encodeBeginRequest(1, { role: FCGI_RESPONDER, flags: 0 }),
          encodeParams(1, Object.entries({ REQUEST_METHOD: 'GET', SCRIPT_FILENAME: this.script, ...params })),
          encodeStreamEnd(FCGI_STDIN, 1),
        ]),
      );
      return await readStdout(connection);
    } finally {
      connection.close();
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
      this.#process.kill('SIGTERM');
      await ended.catch(() => this.#process.kill('SIGKILL'));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function readStdout(connection: FastcgiConnection): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const record = await connection.nextRecord();
    if (record === undefined || record.type === FCGI_END_REQUEST) return Buffer.concat(chunks);
    if (record.type === FCGI_STDOUT) chunks.push(Buffer.from(record.content));
  }
}

/** `clear_env = no`, for the time zone of the environment to reach the workers, which write the pages there. */
function configuration(folder: string, socket: string, poolLines: string): string {
  const identity = process.getuid?.() === 0 ? 'user = nobody\nlisten.mode = 0666\n' : '';
  return `[global]
error_log = ${join(folder, 'error.log')}
[www]
${identity}listen = ${socket}
pm = static
clear_env = no
pm.max_children = 3
pm.status_path = /status
ping.path = /ping
ping.response = pong
${poolLines.replaceAll('{folder}', folder)}
`;
}
