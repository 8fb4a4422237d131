import { textOf, type WebServer } from './web-server.js';

export const caddy: WebServer = {
  name: 'Caddy',
  programs: ['caddy', '/usr/bin/caddy'],
  package: 'caddy',
  socket: 'unix',
  keepsConnections: false,
  takesChunkedBodies: true,
  logsMessages: false,
  configuration: ({ folder, port, documentRoot, pool }) => `
{
  admin off
  auto_https off
  storage file_system ${folder}/data
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  root * ${documentRoot}
  php_fastcgi ${textOf(pool, 'unix/')} {
    try_files {path} =404
  }
}
`,
  arguments: (file) => ['run', '--config', file, '--adapter', 'caddyfile'],
};
