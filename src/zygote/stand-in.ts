import { closeSync, mkdtempSync, rmdirSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindSocket, listenOnSocket, openStreamSocket } from '../os/socket.js';
import type { Fd } from '../units.js';

/** Connections that may wait: only the master connects, one at a time. */
const BACKLOG = 8;

/**
 * A listening socket of one zygote that only the master can reach: it is in a folder that others cannot enter. It is
 * php-cgi's descriptor 0, where php-cgi looks for a listening socket to choose FastCGI; without the runtime php-cgi
 * would accept on it. The probe, which proves that workers serve, does accept on it.
 */
export class StandInSocket {
  readonly fd: Fd;
  readonly path: string;
  readonly #folder: string;
  #isOpen = true;

  /** @throws SystemError, or Node's own when there is no temporary folder */
  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'tsfpm-'));
    this.path = join(this.#folder, 's');
    let fd: Fd | undefined;
    try {
      fd = openStreamSocket('unix');
      bindSocket(fd, { family: 'unix', path: this.path });
      listenOnSocket(fd, BACKLOG);
      this.fd = fd;
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      this.remove();
      throw error;
    }
  }

  /** The zygote has its copy. */
  handOver(): void {
    if (this.#isOpen) closeSync(this.fd);
    this.#isOpen = false;
  }

  /** Nobody can connect any more. Works without a free descriptor. */
  remove(): void {
    try {
      unlinkSync(this.path);
    } catch {
      // ENOENT: it was never bound, or is removed already
    }
    try {
      rmdirSync(this.#folder);
    } catch {
      // ENOENT; and where the system refuses it is left for whoever cleans /tmp
    }
  }
}
