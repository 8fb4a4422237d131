import { closeSync, lstatSync } from 'node:fs';
import { shutDownSocket } from '../os/socket.js';
import type { Fd } from '../units.js';
import { removeSocketFile, type SocketFile } from './socket-file.js';

/** A socket that was bound before this master started: by the master before it, or by systemd. */
export interface InheritedSocket {
  /** Its address, from `addressKey` in bind.ts. */
  readonly key: string;
  readonly fd: Fd;
  /** systemd lent it, and removes its file itself. */
  readonly isLent: boolean;
}

/** Inherited sockets, for the pools that ask for their addresses; each is given away once. */
export class InheritedStock {
  readonly #byKey: Map<string, InheritedSocket>;

  constructor(sockets: readonly InheritedSocket[]) {
    this.#byKey = new Map(sockets.map((socket) => [socket.key, socket]));
  }

  take(key: string): InheritedSocket | undefined {
    const found = this.#byKey.get(key);
    this.#byKey.delete(key);
    return found;
  }

  /** Closes the sockets that no pool has asked for, and removes their files, but for files of systemd. */
  closeRest(): void {
    for (const { key, fd, isLent } of this.#byKey.values()) {
      const file = isLent ? undefined : socketFileAt(key);
      if (file !== undefined) removeSocketFile(file);
      if (!isLent) shutDownSocket(fd);
      closeSync(fd);
    }
    this.#byKey.clear();
  }
}

/** The file that stands for a unix socket, as it is now; undefined for other addresses. */
export function socketFileAt(path: string): SocketFile | undefined {
  if (!path.startsWith('/')) return undefined;
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found?.isSocket() ? { path, device: found.dev, inode: found.ino } : undefined;
}
