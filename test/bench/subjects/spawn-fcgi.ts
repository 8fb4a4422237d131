import { Daemon } from '../daemon.js';
import { LISTEN_BACKLOG } from '../pool-file.js';
import { PHP_CGI, type Site, SPAWN_FCGI } from '../site.js';
import type { Subject } from '../subject.js';

/** Plain php-cgi, which forks its own workers; spawn-fcgi binds the socket and becomes it. */
export function spawnFcgi(site: Site): Subject {
  return new Daemon(
    {
      name: 'spawn-fcgi',
      programs: [SPAWN_FCGI, PHP_CGI],
      worker: { program: PHP_CGI, depth: 1 },
      scales: false,
      reloadSignal: undefined,
      prepare(site, pool, files) {
        const user = site.workerUser;
        const asUser = user === undefined ? [] : ['-u', user, '-g', user, '-U', user, '-G', user];
        const listening = ['-s', files.address, '-b', `${LISTEN_BACKLOG}`];
        return {
          program: SPAWN_FCGI,
          args: ['-n', ...listening, ...asUser, '--', PHP_CGI, '-c', site.phpIni],
          environment: { PHP_FCGI_CHILDREN: `${pool.maxChildren}`, PHP_FCGI_MAX_REQUESTS: '0' },
        };
      },
    },
    site,
  );
}
