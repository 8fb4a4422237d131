import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { idsOf } from './users.js';

/** Who runs PHP, MariaDB and nginx's workers; undefined: the user who runs this, who is not root. */
export const worker = isRoot ? { name: WORKER_USER, ...idsOf(WORKER_USER) } : undefined;

/** Makes a folder and all below it the workers' own. */
export function giveAway(folder: string): void {
  if (worker === undefined) return;
  chownSync(folder, worker.uid, worker.gid);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(folder, name), worker.uid, worker.gid);
}

/** Everything of one run is below this folder, which goes with it. Sockets are in it: its path is short. */
export class Scratch {
  readonly path = mkdtempSync('/tmp/tsfpm-apps-');

  constructor() {
    chmodSync(this.path, 0o755);
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** An empty folder that belongs to the workers. */
  empty(...names: string[]): string {
    const path = this.at(...names);
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
    if (worker !== undefined) chownSync(path, worker.uid, worker.gid);
    return path;
  }

  remove(): void {
    // A process that was just killed may still be writing.
    rmSync(this.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

export interface Account {
  readonly socket: string;
  readonly user: string;
  readonly password: string;
}

/** Where one site lives; the same under either process manager. */
export interface Place {
  readonly scratch: Scratch;
  readonly name: string;
  readonly port: number;
  /** `http://127.0.0.1:port`, as its visitors and the site itself call it. */
  readonly url: string;
  readonly database: Account;
  /** A path in the site's own folder. */
  at(...names: string[]): string;
  /** An empty folder in the site's own folder, for PHP to write to. */
  empty(...names: string[]): string;
}

export function placeOf(scratch: Scratch, name: string, port: number, database: Account): Place {
  return {
    scratch,
    name,
    port,
    database,
    url: `http://127.0.0.1:${port}`,
    at: (...names) => scratch.at(name, ...names),
    empty: (...names) => scratch.empty(name, ...names),
  };
}
