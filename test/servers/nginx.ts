import { SCRIPT_PARAMS, temporaryPaths } from '../helpers/nginx.js';
import { textOf, type WebServer } from './web-server.js';

export const nginx: WebServer = {
  name: 'nginx with kept connections',
  programs: ['nginx', '/usr/sbin/nginx'],
  package: 'nginx-light',
  socket: 'unix',
  keepsConnections: true,
  takesChunkedBodies: true,
  logsMessages: true,
  configuration: ({ folder, port, documentRoot, pool }) => `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
events { worker_connections 256; }
http {
${temporaryPaths(folder)}
  access_log off;
  client_max_body_size 0;
  upstream pool {
    server ${textOf(pool, 'unix:')};
    keepalive 4;
  }
  server {
    listen 127.0.0.1:${port};
    root ${documentRoot};
    location ~ ^(?<script>.+?\\.php)(?<info>/.*)?$ {
      fastcgi_pass pool;
      fastcgi_keep_conn on;
${SCRIPT_PARAMS}
      fastcgi_param SERVER_PROTOCOL $server_protocol;
    }
  }
}
`,
  arguments: (file, folder) => ['-e', `${folder}/error.log`, '-p', folder, '-c', file],
};
