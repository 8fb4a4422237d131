import { chownSync, closeSync, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { ACL_READ, ACL_WRITE, readAccessList, withAccess, writeAccessList } from '../os/access-list.js';
import { asSystemError, hasCode, systemError } from '../os/libc.js';
import { bindSocket, connectSocket, openStreamSocket } from '../os/socket.js';
import type { Fd } from '../units.js';

/** open(2): opens a handle on a file without opening the file for reading or writing. */
const O_PATH = 0o10000000;
const O_NOFOLLOW = 0o400000;
/** chown(2): leave as it is. */
const UNCHANGED = -1;

/** The file of a bound unix socket, by device and inode: another file may get its name. */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/** False where there is no file, as for most sockets. */
export function mayBeTaken(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // bind will say what is wrong
  }
}

/**
 * Whether a server listens at this path.
 *
 * @throws SystemError ENAMETOOLONG, or EACCES and the like if the path cannot be looked at
 */
export function isSocketLive(path: string): boolean {
  // Non-blocking, since a server whose queue is full listens too, and connect would wait for it for ever.
  const probe = openStreamSocket('unix', { isNonBlocking: true });
  try {
    connectSocket(probe, { family: 'unix', path });
    return true;
  } catch (error) {
    if (hasCode(error, 'EAGAIN')) return true;
    if (hasCode(error, 'ENAMETOOLONG')) throw error;
    // ENOENT, ECONNREFUSED and ENOTSOCK mean that nobody listens; for any other error bind will say what is wrong.
    return false;
  } finally {
    closeSync(probe);
  }
}

/** Removes whatever file has the name, as php-fpm does; if that fails, bind will say why. */
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
 * @param mode permission bits: 0o660
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

/** Owner and group of a unix socket, or the access list that it has instead. */
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
 * Gives the file of a socket that was just bound its owner or access list; if that fails, the file is removed. In a
 * folder that others may write to, another file may have the name by now. So it is opened first, the handle is
 * checked, and only the file behind the handle is changed.
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
    if (handle !== undefined) closeSync(handle);
  }
}

/** Owner, group and mode of the socket at a path; nothing if no socket is there. */
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

/** Removes the file unless another server has put its own in its place. */
export function removeSocketFile(file: SocketFile): void {
  try {
    const found = lstatSync(file.path, { bigint: true });
    if (found.dev === file.device && found.ino === file.inode) unlinkSync(file.path);
  } catch {
    // It is gone already, or its folder may not be written to any more: a stop goes on all the same.
  }
}
