import { chownSync, closeSync, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { ACL_READ, ACL_WRITE, readAccessList, withAccess, writeAccessList } from '../os/access-list.js';
import { asSystemError, hasCode, systemError } from '../os/libc.js';
import { bindSocket, connectSocket, openStreamSocket } from '../os/socket.js';
import type { Fd } from '../units.js';

/** open(2): a handle on the file itself, for a file that cannot be opened or must not be. */
const O_PATH = 0o10000000;
const O_NOFOLLOW = 0o400000;
/** chown(2): leave as it is. */
const UNCHANGED = -1;

/** The file of a bound unix socket, told apart from another of the same name. */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/**
 * Does anybody accept connections on this path?
 *
 * @throws SystemError ENAMETOOLONG, or EACCES and the like if the path cannot be looked at
 */
export function isSocketLive(path: string): boolean {
  // Without blocking: a server whose queue is full is alive too, and could make us wait for ever.
  const probe = openStreamSocket('unix', { isNonBlocking: true });
  try {
    connectSocket(probe, { family: 'unix', path });
    return true;
  } catch (error) {
    if (hasCode(error, 'EAGAIN')) {
      return true;
    }
    if (hasCode(error, 'ENAMETOOLONG')) {
      throw error;
    }
    // ENOENT, ECONNREFUSED and ENOTSOCK say that nobody does; after any other, bind says what is wrong.
    return false;
  } finally {
    closeSync(probe);
  }
}

/** Removes whatever bears the name, as php-fpm does; if that fails, bind tells why. */
export function removeStaleFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Mostly ENOENT: there was none.
  }
}

/**
 * Binds under a umask that leaves `mode`, so that the file never has wider rights, not even for a moment.
 *
 * @param mode permission bits, as 0o660
 * @throws SystemError from bind
 */
export function bindSocketFile(fd: Fd, path: string, mode: number): void {
  const before = process.umask(0o777 & ~mode);
  try {
    bindSocket(fd, { family: 'unix', path });
  } finally {
    process.umask(before);
  }
}

/** Who may use a unix socket besides what its mode says. */
export type SocketRights =
  | { readonly uid?: number | undefined; readonly gid?: number | undefined }
  /** In its access control list; owner and group stay the master's. */
  | { readonly acl: SocketAcl };

export interface SocketAcl {
  readonly users: readonly number[];
  readonly groups: readonly number[];
}

/** `step` says what was being done, in php-fpm's words for a log line. */
export class SocketRightsError extends Error {
  readonly step: string;

  constructor(step: string, cause: unknown) {
    super(step, { cause });
    this.name = 'SocketRightsError';
    this.step = step;
  }
}

/**
 * Gives a freshly bound socket's file its owner or its access list, or removes it. In a folder that others may write, the
 * name may already stand for another file: so the handle is checked, and what changes is what the handle stands for.
 *
 * @throws SocketRightsError EPERM, ENOTSUP where the file system keeps no lists, EEXIST if the file was replaced
 */
export function ownSocketFile(path: string, rights: SocketRights): SocketFile {
  let handle: Fd | undefined;
  const chown = 'failed to chown() the socket';
  try {
    handle = openSync(path, O_PATH | O_NOFOLLOW);
    const found = fstatSync(handle, { bigint: true });
    if (!found.isSocket() || Number(found.uid) !== process.geteuid?.()) {
      throw systemError(constants.errno.EEXIST, { syscall: 'chown', path });
    }
    const file = { path, device: found.dev, inode: found.ino };
    try {
      applyRights(`/proc/self/fd/${handle}`, Number(found.mode), rights);
    } catch (error) {
      removeSocketFile(file);
      throw error;
    }
    return file;
  } catch (error) {
    throw error instanceof SocketRightsError ? error : new SocketRightsError(chown, asSystemError(error));
  } finally {
    if (handle !== undefined) {
      closeSync(handle);
    }
  }
}

/** Owner, group and mode that stand at a path; none where no socket does. */
export function socketFileRights(path: string): { mode?: number; rights?: SocketRights } {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isSocket()) return {};
  return { mode: found.mode & 0o777, rights: { uid: found.uid, gid: found.gid } };
}

function applyRights(path: string, mode: number, rights: SocketRights): void {
  if ('acl' in rights) {
    const before = doing('failed to read the ACL of the socket', () => readAccessList(path, mode));
    doing('failed to write the ACL of the socket', () =>
      writeAccessList(path, withAccess(before, rights.acl, ACL_READ | ACL_WRITE)),
    );
    return;
  }
  const { uid = UNCHANGED, gid = UNCHANGED } = rights;
  if (uid !== UNCHANGED || gid !== UNCHANGED) chownSync(path, uid, gid);
}

function doing<Result>(step: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw new SocketRightsError(step, asSystemError(error));
  }
}

/** Removes the file if it is still ours; another server may have put its own there meanwhile. */
export function removeSocketFile(file: SocketFile): void {
  try {
    const found = lstatSync(file.path, { bigint: true });
    if (found.dev === file.device && found.ino === file.inode) {
      unlinkSync(file.path);
    }
  } catch {
    // Gone already, or in a folder that we may no longer write: nothing to do about it while stopping.
  }
}
