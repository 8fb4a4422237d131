import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindSocket, listenOnSocket, openStreamSocket } from '../os/socket.js';
import type { Fd } from '../units.js';

/**
 * A listening socket that nobody can ever connect to: its name is gone before anyone but us could know it. php-cgi
 * looks at descriptor 0 to choose FastCGI; were the runtime not in it, it would serve from here, which is nowhere.
 *
 * @throws SystemError, or Node's own when there is no temporary folder
 */
export function openStandIn(): Fd {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-'));
  try {
    const fd = openStreamSocket('unix');
    bindSocket(fd, { family: 'unix', path: join(folder, 's') });
    listenOnSocket(fd, 0);
    return fd;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
