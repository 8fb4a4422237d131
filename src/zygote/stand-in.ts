import { closeSync, mkdtempSync, rmdirSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindSocket, listenOnSocket, openStreamSocket } from '../os/socket.js';
import type { Count, Fd } from '../units.js';

/** Connections that may wait: only the master connects, one at a time. */
const BACKLOG: Count = 8;

/** A folder that others cannot enter. */
interface PrivateFolder {
  readonly path: string;
  /** Sockets that were made in it. */
  made: Count;
  /** Those that are still there. */
  left: Count;
}

/** Of all stand-in sockets that are there at the same time: making a folder takes longer than making a socket. */
let folder: PrivateFolder | undefined;

/**
 * A listening socket of one zygote that only the master can reach. It is php-cgi's descriptor 0, where php-cgi looks
 * for a socket without a peer to choose FastCGI. The probe, which proves that workers serve, accepts on it.
 */
export class StandInSocket {
  readonly fd: Fd;
  readonly path: string;
  readonly #folder: PrivateFolder;
  #isOpen = true;
  #isThere = true;

  /** @throws SystemError, or Node's own when there is no temporary folder */
  constructor() {
    folder ??= { path: mkdtempSync(join(tmpdir(), 'tsfpm-')), made: 0, left: 0 };
    this.#folder = folder;
    folder.left++;
    this.path = join(folder.path, `${folder.made++}`);
    let fd: Fd | undefined;
    try {
      fd = openStreamSocket('unix');
      bindSocket(fd, { family: 'unix', path: this.path });
      listenOnSocket(fd, BACKLOG);
      this.fd = fd;
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      this.remove();
      folder = undefined; // whoever cleans /tmp may have removed it
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
    if (!this.#isThere) return;
    this.#isThere = false;
    try {
      unlinkSync(this.path);
    } catch {
      // ENOENT: it was never bound
    }
    if (--this.#folder.left > 0) return;
    if (folder === this.#folder) folder = undefined;
    try {
      rmdirSync(this.#folder.path);
    } catch {
      // where the system refuses it is left for whoever cleans /tmp
    }
  }
}

/**
 * In place of a {@link StandInSocket} for one that nobody is to reach: it has no address, which costs no file. Without
 * the runtime php-cgi would fail to accept on it, and end.
 *
 * @throws SystemError EMFILE, ENFILE
 */
export function openUnreachableSocket(): Fd {
  return openStreamSocket('unix');
}
