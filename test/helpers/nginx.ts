import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Daemon } from './daemon.js';
import { isRoot, WORKER_USER } from './daemon-folder.js';
import type { FcgiAddress } from './fastcgi-client.js';
import { TextWatch } from './text-watch.js';
import { freePort } from './two-pools.js';
import { until } from './wait.js';

const NGINX = ['/usr/sbin/nginx', 'nginx'].find((path) => spawnSync(path, ['-v']).status === 0);
/** For the `skip` of a test. */
export const unlessNginx = NGINX === undefined ? 'nginx is missing' : false;

export interface NginxOptions {
  /** Which pool; default is the first. */
  readonly pool?: string;
  /** Idle connections to the upstream to keep; default 0: a new one for each request. */
  readonly keepalive?: number;
  /** Directives for the location that passes to PHP. */
  readonly location?: string;
}

export interface Nginx {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Its error log: what went wrong between it and the pool is there. */
  readonly errors: TextWatch;
}

/** A real nginx in front of a daemon under test, inside the daemon's folder; it ends before the daemon does. */
export async function startNginx(t: TestContext, tsfpm: Daemon, options: NginxOptions = {}): Promise<Nginx> {
  if (NGINX === undefined) throw new Error('nginx is missing');
  const port = await freePort();
  const folder = tsfpm.folder.at(`nginx-${port}`);
  mkdirSync(folder, { mode: 0o755 });
  const config = `${folder}/nginx.conf`;
  writeFileSync(config, configText(tsfpm, folder, port, options));
  const errors = TextWatch.ofFile(`${folder}/error.log`);
  const child: ChildProcess = spawn(NGINX, ['-e', `${folder}/error.log`, '-p', folder, '-c', config], {
    cwd: '/',
    stdio: 'ignore',
  });
  let hasEnded = false;
  child.once('exit', () => {
    hasEnded = true;
  });
  t.after(async () => {
    child.kill('SIGTERM'); // fast; its workers go with it
    await until('nginx has ended', () => hasEnded).catch(() => child.kill('SIGKILL'));
  });
  const url = `http://127.0.0.1:${port}`;
  await until('nginx answers', async () => {
    if (hasEnded) throw new Error(`nginx ended: ${errors.text}`);
    return fetch(`${url}/nginx-is-up`).then(
      (response) => response.ok,
      () => false,
    );
  });
  return { url, errors };
}

/** What nginx tells of each request that names a script, as `$script` and `$info`. */
export const SCRIPT_PARAMS = `\
      fastcgi_param SCRIPT_FILENAME $document_root$script;
      fastcgi_param SCRIPT_NAME $script;
      fastcgi_param PATH_INFO $info;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REQUEST_URI $request_uri;`;

/** Each of nginx's modules wants a folder. */
export function temporaryPaths(folder: string): string {
  return ['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};`)
    .join('\n');
}

function configText(tsfpm: Daemon, folder: string, port: number, options: NginxOptions): string {
  const { pool, keepalive = 0, location = '' } = options;
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log info;
${isRoot ? `user ${WORKER_USER};` : ''}
events { worker_connections 512; }
http {
${temporaryPaths(folder)}
  access_log off;
  client_max_body_size 0;
  upstream php {
    server ${upstreamName(tsfpm.address(pool))};
    ${keepalive > 0 ? `keepalive ${keepalive};` : ''}
  }
  server {
    listen 127.0.0.1:${port} backlog=511;
    root ${tsfpm.folder.at('www')};
    location = /nginx-is-up { return 200; }
    location ~ ^(?<script>.+?\\.php)(?<info>/.*)?$ {
      fastcgi_pass php;
      fastcgi_keep_conn ${keepalive > 0 ? 'on' : 'off'};
${SCRIPT_PARAMS}
      fastcgi_param DOCUMENT_URI $document_uri;
      fastcgi_param DOCUMENT_ROOT $document_root;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param SERVER_NAME $server_name;
      ${location}
    }
  }
}
`;
}

const upstreamName = (address: FcgiAddress) =>
  typeof address === 'string' ? `unix:${address}` : `${address.host}:${address.port}`;
