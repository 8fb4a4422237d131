import { textOf, type WebServer } from './web-server.js';

/** It passes everything to PHP, and has no files of its own. */
export const haproxy: WebServer = {
  name: 'HAProxy with kept connections',
  programs: ['haproxy', '/usr/sbin/haproxy'],
  package: 'haproxy',
  socket: 'unix',
  keepsConnections: true,
  takesChunkedBodies: false,
  logsMessages: false,
  configuration: ({ port, documentRoot, pool }) => `
global
  maxconn 200
defaults
  mode http
  timeout client 30s
  timeout connect 5s
  timeout server 30s
  http-reuse always
frontend web
  bind 127.0.0.1:${port}
  default_backend pool
backend pool
  use-fcgi-app php
  server pool ${textOf(pool, 'unix@')} proto fcgi
fcgi-app php
  docroot ${documentRoot}
  index index.php
  path-info ^(/.+\\.php)(/.*)?$
  option keep-conn
`,
  arguments: (file) => ['-db', '-f', file],
};
