import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Count, Pid } from '../units.js';

/** proc(5), /proc/net/tcp: the state of a socket that listens. */
const TCP_LISTEN = '0A';

const MOST_SHOWN: Count = 4;

export interface PortHolder {
  readonly pid: Pid;
  /** The name that the kernel keeps: 15 bytes at most. */
  readonly name: string;
}

/** Processes that listen on a TCP port, on whichever address; only those that this process may inspect. */
export function portHolders(port: number): PortHolder[] {
  const links = new Set(
    ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => listeningInodes(textOf(file), port)),
  );
  if (links.size === 0) return [];
  return entriesOf('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => entriesOf(`/proc/${pid}/fd`).some((fd) => links.has(linkOf(`/proc/${pid}/fd/${fd}`))))
    .map((pid) => ({ pid: Number(pid), name: textOf(`/proc/${pid}/comm`).trim() }));
}

/** `pid 7 (sleep), pid 8 (nginx)`; the first few, if there are many. */
export function holdersText(holders: readonly PortHolder[]): string {
  const shown = holders.slice(0, MOST_SHOWN).map(({ pid, name }) => `pid ${pid} (${name})`);
  const rest = holders.length - shown.length;
  return [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

/** Sockets that listen on the port, as /proc shows their descriptors: `socket:[4711]`. */
export function listeningInodes(table: string, port: number): string[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    const isIt = state === TCP_LISTEN && Number.parseInt(local.split(':')[1] ?? '', 16) === port;
    return isIt ? `socket:[${inode}]` : [];
  });
}

// What cannot be read counts as empty: a process may have ended, or belong to another user.

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
