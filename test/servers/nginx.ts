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
${['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
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
      fastcgi_param SCRIPT_FILENAME $document_root$script;
      fastcgi_param SCRIPT_NAME $script;
      fastcgi_param PATH_INFO $info;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
    }
  }
}
`,
  arguments: (file, folder) => ['-e', `${folder}/error.log`, '-p', folder, '-c', file],
};
