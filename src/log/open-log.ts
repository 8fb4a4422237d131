import { closeSync, constants, fchownSync, fstatSync, type Stats } from 'node:fs';
import { constants as system } from 'node:os';
import { join } from 'node:path';
import { SystemError } from '../errors.js';
import { duplicateDescriptor } from '../os/descriptor.js';
import { asSystemError, errorReason, hasCode } from '../os/libc.js';
import { O_PATH, openAt, openRootFolder, readLink } from '../os/open-at.js';
import type { Count, Fd } from '../units.js';
import { startingStderr } from './starting-stderr.js';

const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW, O_DIRECTORY } = constants;

/** O_NONBLOCK: a write to a pipe whose reader is slow fails instead of waiting. On a regular file it has no effect. */
const APPEND = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
const OWNER_ONLY = 0o600;
const FOR_OTHERS_TO_WRITE = 0o022;
const FOR_ALL_TO_WRITE = 0o002;
const STICKY = 0o1000;
/** The kernel follows as many symbolic links. */
const MOST_LINKS: Count = 40;
/** How often opening is tried again if the file was made, moved or replaced after it was checked. */
const MOST_TRIES: Count = 5;
const STDERR: Fd = 2;

/**
 * Opens any log: appends to a file, a pipe or a device, or makes a file, for its owner alone. Never waits, and is
 * closed on exec.
 *
 * Other users must not choose where root writes. In a folder that others than root may write to, they can put links and
 * files at any moment. So the path is walked folder by folder, each held open. In such a folder a symbolic link is
 * followed only if root owns it, and a file is opened only if it has no other hard link. A file that is made there
 * belongs to the owner of the folder.
 *
 * /dev/stderr, /proc/self/fd/N and links to them mean that descriptor, also where its path cannot be opened: a
 * socket, or another user's pipe. Descriptor 2 is the one that this process was started with.
 *
 * @param path absolute, or from the current folder
 * @throws SystemError whose reason is complete
 */
export function openLog(path: string): Fd {
  for (let tries = 1; ; tries++) {
    try {
      return openOnce(path);
    } catch (error) {
      if (!(error instanceof ReplacedMeanwhile)) throw asSystemError(error);
      if (tries === MOST_TRIES) throw refusal(path, 'EAGAIN', 'it is replaced again and again');
    }
  }
}

/** The file that was opened is not the one that was checked: try again. */
class ReplacedMeanwhile extends Error {}

function openOnce(path: string): Fd {
  const walk = new Walk(path);
  try {
    for (;;) {
      const descriptor = walk.ownDescriptor;
      if (descriptor !== undefined) return openDescriptor(descriptor);
      if (!walk.isAtEnd && walk.enterFolder()) continue;
      const found = walk.stat();
      if (found === undefined) return makeFile(walk);
      if (found.isSymbolicLink()) walk.follow();
      else if (walk.isAtEnd) return openFound(walk, found);
      else if (found.isDirectory())
        throw new ReplacedMeanwhile(); // a moment ago it was no symbolic link
      else throw refusal(walk.shown, 'ENOTDIR');
    }
  } finally {
    walk.close();
  }
}

/** A walk along a path: the folder reached, held open, and the names that are left. */
class Walk {
  readonly isRoot = process.geteuid?.() === 0;
  #folder = openRootFolder();
  /** Path of the folder reached. */
  #place = '/';
  #names: string[];
  #links: Count = 0;
  /** The file that {@link stat} has found, opened with O_PATH. */
  #handle: Fd | undefined;

  constructor(path: string) {
    this.#names = namesOf(path.startsWith('/') ? path : join(process.cwd(), path));
  }

  get folder(): Fd {
    return this.#folder;
  }

  get name(): string {
    return this.#names[0] ?? '.';
  }

  /** Path of the next name, for messages. */
  get shown(): string {
    return join(this.#place, this.name);
  }

  get isAtEnd(): boolean {
    return this.#names.length <= 1;
  }

  /**
   * The descriptor of this process that the rest of the path names, such as /proc/self/fd/2; undefined for other paths.
   */
  get ownDescriptor(): Fd | undefined {
    const rest = `${this.#place === '/' ? '' : this.#place}/${this.#names.join('/')}`;
    const match = /^\/proc\/(self|thread-self|[0-9]+)\/fd\/([0-9]+)$/.exec(rest);
    const isOwn = match !== null && (Number.isNaN(Number(match[1])) || Number(match[1]) === process.pid);
    return isOwn ? Number(match[2]) : undefined;
  }

  /** @returns false where the next name is no folder */
  enterFolder(): boolean {
    try {
      this.#moveTo(openAt(this.#folder, this.name, O_PATH | O_DIRECTORY | O_NOFOLLOW), this.shown);
    } catch (error) {
      if (hasCode(error, 'ENOTDIR', 'ELOOP')) return false;
      throw error;
    }
    this.#names.shift();
    return true;
  }

  /** @returns the type and owner of the next name; undefined if it is the last one and does not exist */
  stat(): Stats | undefined {
    this.#forget();
    try {
      this.#handle = openAt(this.#folder, this.name, O_PATH | O_NOFOLLOW);
    } catch (error) {
      if (this.isAtEnd && hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
    return fstatSync(this.#handle);
  }

  /** Follows the symbolic link that {@link stat} has found. */
  follow(): void {
    if (this.#handle === undefined) throw new ReplacedMeanwhile();
    const { uid, nlink } = fstatSync(this.#handle);
    if (this.isRoot && canOthersWrite(fstatSync(this.#folder)) && (uid !== 0 || nlink > 1))
      throw refusal(
        this.shown,
        'ELOOP',
        `others than root may have put the symbolic link '${this.shown}' there`,
      );
    if (++this.#links > MOST_LINKS) throw refusal(this.shown, 'ELOOP');
    const target = readLink(this.#handle);
    this.#names = [...namesOf(target), ...this.#names.slice(1)];
    if (target.startsWith('/')) this.#moveTo(openRootFolder(), '/');
  }

  close(): void {
    this.#forget();
    closeSync(this.#folder);
  }

  #moveTo(folder: Fd, place: string): void {
    closeSync(this.#folder);
    this.#folder = folder;
    this.#place = place;
  }

  #forget(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }
}

function makeFile({ folder, name, isRoot }: Walk): Fd {
  let fd: Fd;
  try {
    fd = openAt(folder, name, APPEND | O_CREAT | O_EXCL, OWNER_ONLY);
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? new ReplacedMeanwhile() : error;
  }
  const { uid, gid } = fstatSync(folder);
  if (isRoot && uid !== 0) giveTo(fd, uid, gid);
  return fd;
}

function giveTo(fd: Fd, uid: number, gid: number): void {
  try {
    fchownSync(fd, uid, gid);
  } catch {
    // EPERM: without CAP_CHOWN root stays its owner, as with php-fpm
  }
}

function openFound({ folder, name, shown, isRoot }: Walk, checked: Stats): Fd {
  if (checked.isBlockDevice()) throw refusal(shown, 'ENOTSUP', 'it is a disk');
  let fd: Fd;
  try {
    fd = openAt(folder, name, APPEND);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ELOOP')) throw new ReplacedMeanwhile();
    if (hasCode(error, 'ENXIO') && checked.isFIFO())
      throw refusal(shown, 'ENXIO', 'nobody has the pipe open for reading');
    if (hasCode(error, 'ENXIO') && checked.isSocket()) throw refusal(shown, 'ENXIO', 'it is a socket');
    throw error;
  }
  try {
    const opened = fstatSync(fd);
    if (opened.ino !== checked.ino || opened.dev !== checked.dev) throw new ReplacedMeanwhile();
    if (isRoot) refuseForeign(opened, fstatSync(folder), shown);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @throws SystemError for a file that another user may have put there, or a hard link to a file of root */
function refuseForeign(file: Stats, folder: Stats, shown: string): void {
  if (!canOthersWrite(folder)) return;
  if (file.isFile() && file.nlink > 1)
    throw refusal(
      shown,
      'EMLINK',
      `others than root may write in its folder, and the file has ${file.nlink} names`,
    );
  // In a folder such as /tmp everybody may make files, which then stay their own.
  const isForAll = (folder.mode & STICKY) !== 0 && (folder.mode & FOR_ALL_TO_WRITE) !== 0;
  if (isForAll && file.uid !== 0 && file.uid !== folder.uid)
    throw refusal(
      shown,
      'EACCES',
      `everybody may write in its folder, and the file belongs to user ${file.uid}`,
    );
}

function canOthersWrite({ uid, mode }: Stats): boolean {
  return uid !== 0 || (mode & FOR_OTHERS_TO_WRITE) !== 0;
}

function openDescriptor(number: Fd): Fd {
  const fd = number === STDERR ? startingStderr() : number;
  try {
    // Opened anew where possible: O_NONBLOCK then counts for this descriptor alone.
    return openAt(-1, `/proc/self/fd/${fd}`, APPEND & ~O_NOFOLLOW);
  } catch (error) {
    try {
      return duplicateDescriptor(fd);
    } catch {
      throw error; // the descriptor is not open at all
    }
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function refusal(path: string, code: keyof typeof system.errno, explanation?: string): SystemError {
  const errno = system.errno[code];
  const reason = explanation === undefined ? errorReason(errno) : `${errorReason(errno)}, ${explanation}`;
  return new SystemError({ code, errno, syscall: 'openat', path, reason });
}
