import { textOf, type WebServer } from './web-server.js';

export const lighttpd: WebServer = {
  name: 'lighttpd',
  programs: ['lighttpd', '/usr/sbin/lighttpd'],
  package: 'lighttpd',
  socket: 'unix',
  keepsConnections: false,
  takesChunkedBodies: true,
  logsMessages: true,
  configuration: ({ folder, port, documentRoot, pool }) => `
server.modules = ("mod_fastcgi")
server.document-root = "${documentRoot}"
server.bind = "127.0.0.1"
server.port = ${port}
server.errorlog = "${folder}/error.log"
server.upload-dirs = ("${folder}")
index-file.names = ("index.php")
static-file.exclude-extensions = (".php")
fastcgi.server = (".php" => ((
  "socket" => "${textOf(pool, '')}",
  "broken-scriptfilename" => "enable"
)))
`,
  arguments: (file) => ['-D', '-f', file],
};
