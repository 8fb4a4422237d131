import { fstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Fd, Pid } from '../units.js';
import { hasCode } from './libc.js';

/** The kernel's number of a socket, in /proc and netlink alike. */
export type Inode = number;

export function socketInode(fd: Fd): Inode {
  return fstatSync(fd).ino;
}

/**
 * The sockets that a process has descriptors of.
 *
 * @returns an empty list where it has ended, or this process has no right to trace it
 */
export function socketsOf(pid: Pid): Inode[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[([0-9]+)\]$/.exec(target(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode === undefined ? [] : Number(inode);
    });
  } catch {
    return []; // ENOENT, EACCES
  }
}

/** Whether {@link socketsOf} can tell of that process: false without the right to trace it. */
export function areSocketsVisible(pid: Pid): boolean {
  try {
    readlinkSync(`/proc/${pid}/fd/0`); // to list the folder takes fewer rights than to read a link in it
    return true;
  } catch (error) {
    return !hasCode(error, 'EACCES', 'EPERM');
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return ''; // closed meanwhile
  }
}

/** Connections that were accepted from a listening socket of this network namespace, by any process. */
export function connectionsOf(listening: Inode): ReadonlySet<Inode> {
  const unix = unixConnections(table('unix'), listening);
  if (unix !== undefined) return unix;
  return tcpConnections(table('tcp'), listening) ?? tcpConnections(table('tcp6'), listening) ?? new Set();
}

function table(name: string): string {
  try {
    return readFileSync(`/proc/net/${name}`, 'latin1');
  } catch {
    return ''; // ENOENT: no such sockets here
  }
}

/**
 * @param text of /proc/net/unix: an accepted connection bears the path of its listening socket
 * @returns undefined where that socket is not among them
 * @see proc_pid_net(5)
 */
export function unixConnections(text: string, listening: Inode): ReadonlySet<Inode> | undefined {
  const rows = [...text.matchAll(/^\S+: \S+ \S+ \S+ \S+ (\S+) +(\d+) (.+)$/gm)].map(
    ([, state, inode, path]) => ({ isConnected: state === '03', inode: Number(inode), path }),
  );
  const path = rows.find(({ inode }) => inode === listening)?.path;
  if (path === undefined) return undefined;
  return new Set(rows.filter((row) => row.isConnected && row.path === path).map(({ inode }) => inode));
}

/**
 * @param text of /proc/net/tcp or tcp6: an accepted connection has the port of its listening socket, and its address,
 * unless that is any
 * @returns undefined where that socket is not among them
 */
export function tcpConnections(text: string, listening: Inode): ReadonlySet<Inode> | undefined {
  const rows = [
    ...text.matchAll(/^ *\d+: ([0-9A-F]+):([0-9A-F]+) \S+ (\S+) \S+ \S+ \S+ +\d+ +\d+ (\d+) /gm),
  ].map(([, address = '', port, state, inode]) => ({
    address,
    port,
    isListening: state === '0A',
    inode: Number(inode),
  }));
  const own = rows.find(({ inode }) => inode === listening);
  if (own === undefined) return undefined;
  const isOf = (row: (typeof rows)[number]) =>
    !row.isListening && row.port === own.port && (/^0+$/.test(own.address) || row.address === own.address);
  // 0: not yet accepted
  return new Set(rows.filter((row) => isOf(row) && row.inode !== 0).map(({ inode }) => inode));
}
