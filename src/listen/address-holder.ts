import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Count, Pid } from '../units.js';

/** proc(5), /proc/net/tcp: the state of a socket that listens. */
const TCP_LISTEN = '0A';

const MOST_SHOWN: Count = 4;

export interface PortHolder {
  readonly pid: Pid;
  /** As the kernel calls it: 15 bytes at most. */
  readonly name: string;
}

/** Processes that listen on a TCP port, on whichever address; only those that we may look into. */
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

/** `pid 7 (sleep), pid 8 (nginx)`; of many the first. */
export function holdersText(holders: readonly PortHolder[]): string {
  const shown = holders.slice(0, MOST_SHOWN).map(({ pid, name }) => `pid ${pid} (${name})`);
  const rest = holders.length - shown.length;
  return [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

/** As descriptors of such sockets are shown: `socket:[4711]`. */
export function listeningInodes(table: string, port: number): string[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    const isIt = state === TCP_LISTEN && Number.parseInt(local.split(':')[1] ?? '', 16) === port;
    return isIt ? `socket:[${inode}]` : [];
  });
}

// Processes come and go, and some are nobody's business: what cannot be read is not there.

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
