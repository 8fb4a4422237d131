import { textOf, type WebServer } from './web-server.js';

const MODULES = '/usr/lib/apache2/modules';

/** Debian's programs and modules, with a configuration of our own. */
const apache = (
  variant: string,
  { socket, reuses }: { readonly socket: WebServer['socket']; readonly reuses: boolean },
): WebServer => ({
  name: `Apache over ${variant}`,
  programs: ['/usr/sbin/apache2', 'httpd'],
  package: 'apache2',
  socket,
  keepsConnections: reuses,
  takesChunkedBodies: true,
  logsMessages: true,
  configuration: ({ folder, port, documentRoot, pool }) => {
    // The name behind a socket's path is any; Apache knows the pool by it.
    const worker = socket === 'unix' ? 'fcgi://pool' : `fcgi://${textOf(pool, '')}`;
    const handler = socket === 'unix' ? `proxy:unix:${textOf(pool, '')}|${worker}` : `proxy:${worker}`;
    // PHP reads as much of a body as it is told: proxy-sendcl makes Apache count those that come in chunks.
    return `
ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
Mutex file:${folder} default
ErrorLog ${folder}/error.log
Listen 127.0.0.1:${port}
${['mpm_event', 'authz_core', 'dir', 'proxy', 'proxy_fcgi', 'setenvif']
  .map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`)
  .join('\n')}
DocumentRoot ${documentRoot}
DirectoryIndex index.php
<Directory ${documentRoot}>
  Require all granted
</Directory>
<Proxy "${worker}/" ${reuses ? 'enablereuse=on max=10' : 'enablereuse=off'}>
</Proxy>
SetEnvIf Request_Method . proxy-sendcl=1
<FilesMatch "\\.php$">
  SetHandler "${handler}"
</FilesMatch>
`;
  },
  arguments: (file) => ['-D', 'FOREGROUND', '-f', file],
});

export const apaches: readonly WebServer[] = [
  apache('a unix socket', { socket: 'unix', reuses: false }),
  apache('TCP', { socket: 'tcp', reuses: false }),
  apache('TCP with enablereuse', { socket: 'tcp', reuses: true }),
];
