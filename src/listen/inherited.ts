import { closeSync, lstatSync } from 'node:fs';
import { shutDownSocket } from '../os/socket.js';
import type { Fd } from '../units.js';
import { removeSocketFile, type SocketFile } from './socket-file.js';

/** A socket that somebody bound for this master. */
export interface InheritedSocket {
  /** As `addressKey` in bind.ts names its address. */
  readonly key: string;
  readonly fd: Fd;
  /** systemd's: its file is systemd's to remove. */
  readonly isLent: boolean;
}

/** Sockets that wait for the pool that asks for their address; each is given away once. */
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

  /** Nobody has asked for these: they are closed, and their files removed. Lent ones stay with who lent them. */
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
