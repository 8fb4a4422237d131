import type { WebServer } from './web-server.js';

export const h2o: WebServer = {
  name: 'h2o with kept connections',
  programs: ['h2o', '/usr/bin/h2o'],
  package: 'h2o',
  socket: 'unix',
  keepsConnections: true,
  takesChunkedBodies: true,
  logsMessages: true,
  configuration: ({ folder, port, documentRoot, pool }) => `
listen:
  host: 127.0.0.1
  port: ${port}
num-threads: 1
error-log: ${folder}/error.log
pid-file: ${folder}/pid
temp-buffer-path: ${folder}
hosts:
  default:
    paths:
      /:
        file.dir: ${documentRoot}
        file.index: [index.php]
        file.custom-handler:
          extension: .php
          fastcgi.connect:
${typeof pool === 'string' ? `            port: ${pool}\n            type: unix` : `            host: ${pool.host}\n            port: ${pool.port}`}
          fastcgi.timeout.keepalive: 5000
`,
  arguments: (file) => ['-m', 'worker', '-c', file],
};
