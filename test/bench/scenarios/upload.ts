import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bytes, Milliseconds, Seconds } from '../../../src/units.js';
import { type Bench, noSlowerThanBaseline, type Sample, type Scenario } from '../scenario.js';
import { WORKERS } from './throughput.js';

const SIZE: Bytes = 256 * 1024 * 1024;
const PIECE = Buffer.alloc(1024 * 1024, 'tsfpm upload ');
const START_MS: Milliseconds = 5000;

/**
 * One large body, through nginx: sent on by nginx through the socket, and left in nginx's own file, of which PHP learns
 * by REQUEST_BODY_FILE. Client, nginx and its disk take most of the time, the same for all.
 */
export const upload: Scenario = {
  name: 'upload',
  title: `an upload of ${SIZE / 1024 / 1024} MiB through nginx`,
  pool: {
    pm: 'static',
    maxChildren: WORKERS,
    directives: { 'php_admin_value[post_max_size]': '0', 'php_admin_value[max_execution_time]': '0' },
  },
  metrics: [
    { key: 'socketSeconds', title: 'through the socket, s', digits: 2, comparison: 'ratio' },
    { key: 'fileSeconds', title: 'REQUEST_BODY_FILE, s', digits: 2, comparison: 'ratio' },
  ],
  targets: [noSlowerThanBaseline('socketSeconds'), noSlowerThanBaseline('fileSeconds')],
  mostRounds: 3,
  warmUp: async () => [],

  async measure(bench): Promise<Sample> {
    const folder = join(bench.site.folder, 'nginx');
    mkdirSync(folder, { mode: 0o755 });
    const nginx = startNginx(bench, folder);
    const problems: string[] = [];
    try {
      const socket = join(folder, 'http.sock');
      await untilThere(socket, nginx, bench.signal);
      const values: Record<string, Seconds> = {};
      for (const [metric, path] of [
        ['socketSeconds', '/socket/upload.php'],
        ['fileSeconds', '/file/upload.php'],
      ] as const) {
        const startedAt = performance.now();
        const answer = await send(socket, path, bench.signal);
        values[metric] = (performance.now() - startedAt) / 1000;
        if (answer !== String(SIZE)) problems.push(`${path} was answered with ${answer.slice(0, 100)}`);
      }
      return { values, problems };
    } finally {
      const ended = nginx.exitCode === null && nginx.signalCode === null ? once(nginx, 'exit') : undefined;
      nginx.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function startNginx({ site, subject }: Bench, folder: string): ChildProcess {
  const temporary = ['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};\n`)
    .join('');
  const passes = `fastcgi_pass unix:${subject.address};
      fastcgi_read_timeout 120s;
      fastcgi_param SCRIPT_FILENAME ${site.pages}$script;
      fastcgi_param SCRIPT_NAME $script;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param SERVER_PROTOCOL $server_protocol;`;
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
${site.workerUser === undefined ? '' : `user ${site.workerUser};`}
events { worker_connections 64; }
http {
${temporary}  access_log off;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  server {
    listen unix:${folder}/http.sock;
    location ~ ^/socket(?<script>/.+)$ {
      ${passes}
    }
    location ~ ^/file(?<script>/.+)$ {
      client_body_in_file_only clean;
      fastcgi_pass_request_body off;
      fastcgi_param REQUEST_BODY_FILE $request_body_file;
      ${passes}
    }
  }
}
`,
  );
  return spawn('nginx', ['-e', `${folder}/error.log`, '-p', folder, '-c', `${folder}/nginx.conf`], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: 'ignore',
  });
}

async function untilThere(socket: string, nginx: ChildProcess, signal: AbortSignal): Promise<void> {
  let failure: Error | undefined;
  nginx.once('error', (error) => {
    failure = error;
  });
  const deadline = performance.now() + START_MS;
  while (!existsSync(socket)) {
    if (failure !== undefined || nginx.exitCode !== null || performance.now() > deadline)
      throw new Error(`nginx does not start${failure === undefined ? '' : `: ${failure.message}`}`);
    await sleep(20, undefined, { signal });
  }
}

async function send(socketPath: string, path: string, signal: AbortSignal): Promise<string> {
  const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': SIZE };
  const upload = request({ socketPath, path, method: 'POST', headers, signal });
  const answered = once(upload, 'response');
  for (let sent = 0; sent < SIZE; sent += PIECE.length)
    if (!upload.write(PIECE)) await Promise.race([once(upload, 'drain', { signal }), answered]);
  upload.end();
  const [response] = await answered;
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  return text;
}
