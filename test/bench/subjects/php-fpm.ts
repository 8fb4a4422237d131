import { writeFileSync } from 'node:fs';
import { Daemon } from '../daemon.js';
import { poolFile } from '../pool-file.js';
import { PHP_FPM, type Site } from '../site.js';
import type { Subject } from '../subject.js';

export function phpFpm(site: Site): Subject {
  return new Daemon(
    {
      name: 'php-fpm',
      programs: [PHP_FPM],
      worker: { program: PHP_FPM, depth: 1 },
      scales: true,
      reloadSignal: 'SIGUSR2',
      prepare(site, pool, files) {
        writeFileSync(files.configFile, poolFile(site, pool, files));
        return { program: PHP_FPM, args: ['-F', '-c', site.phpIni, '-y', files.configFile] };
      },
    },
    site,
  );
}
