import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon } from '../daemon.js';
import { poolFile } from '../pool-file.js';
import { PHP_CGI, REPOSITORY, type Site } from '../site.js';
import type { Subject } from '../subject.js';

/** The checkout's own build. Its workers are the zygote's children. */
export function tsfpm(site: Site): Subject {
  const launcher = join(REPOSITORY, 'bin/tsfpm');
  return new Daemon(
    {
      name: 'tsfpm',
      programs: [launcher, PHP_CGI],
      worker: { program: PHP_CGI, depth: 2 },
      scales: true,
      reloadSignal: 'SIGUSR2',
      prepare(site, pool, files) {
        const own = { php_cgi: PHP_CGI, php_ini: site.phpIni, ...pool.tsfpmDirectives };
        writeFileSync(files.configFile, poolFile(site, pool, files, own));
        return { program: launcher, args: ['--config', files.configFile, '-F'] };
      },
    },
    site,
  );
}
