import { constants } from 'node:os';
import type { Bytes } from '../units.js';
import { checked, hasCode, libcFunction, systemError } from './libc.js';

// POSIX access control lists as the kernel keeps them: an extended attribute, always in little-endian order.
// The bytes read and written here are those of libacl.

const ATTRIBUTE = 'system.posix_acl_access';
/** `<linux/posix_acl_xattr.h>` */
const ACL_VERSION = 2;
const HEADER_SIZE: Bytes = 4;
const ENTRY_SIZE: Bytes = 8;
/** XATTR_SIZE_MAX */
const LARGEST_ATTRIBUTE: Bytes = 65_536;
/** ACL_UNDEFINED_ID */
const NO_ID = 0xffff_ffff;

/** `<linux/posix_acl.h>`; entries are kept in this order. */
const TAGS = { owner: 0x01, user: 0x02, owningGroup: 0x04, group: 0x08, mask: 0x10, other: 0x20 } as const;

export const ACL_READ = 4;
export const ACL_WRITE = 2;

/** Rights of one user or group, or of a class of them. */
export interface AccessEntry {
  readonly tag: keyof typeof TAGS;
  /** Uid or gid of a `user` or `group` entry. */
  readonly id?: number;
  /** Bits of a file mode: 4 to read, 2 to write, 1 to execute. */
  readonly rights: number;
}

const c = {
  getxattr: libcFunction<(path: string, name: string, value: Buffer, size: Bytes) => number>(
    'long getxattr(const char *path, const char *name, void *value, size_t size)',
  ),
  setxattr: libcFunction<(path: string, name: string, value: Buffer, size: Bytes, flags: number) => number>(
    'int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
  ),
};

/**
 * @param mode of the file; a file without a list of its own has these rights only
 * @throws SystemError ENOTSUP where the file system keeps no lists
 * @see acl(5), getxattr(2)
 */
export function readAccessList(path: string, mode: number): AccessEntry[] {
  const value = Buffer.alloc(LARGEST_ATTRIBUTE);
  try {
    const size = checked(c.getxattr(path, ATTRIBUTE, value, value.length), { syscall: 'getxattr', path });
    return decodeAccessList(value.subarray(0, size));
  } catch (error) {
    if (!hasCode(error, 'ENODATA')) throw error;
    return [
      { tag: 'owner', rights: (mode >> 6) & 7 },
      { tag: 'owningGroup', rights: (mode >> 3) & 7 },
      { tag: 'other', rights: mode & 7 },
    ];
  }
}

/** @throws SystemError ENOTSUP, EPERM, EINVAL for a list that makes no sense */
export function writeAccessList(path: string, entries: readonly AccessEntry[]): void {
  const value = encodeAccessList(entries);
  checked(c.setxattr(path, ATTRIBUTE, value, value.length, 0), { syscall: 'setxattr', path });
}

/**
 * Adds rights for more users and groups to `entries`. The mask is what all of the group class may do together, as
 * acl_calc_mask(3) has it, so that it takes nothing away.
 */
export function withAccess(
  entries: readonly AccessEntry[],
  { users, groups }: { users: readonly number[]; groups: readonly number[] },
  rights: number,
): AccessEntry[] {
  const added: AccessEntry[] = [
    ...users.map((id): AccessEntry => ({ tag: 'user', id, rights })),
    ...groups.map((id): AccessEntry => ({ tag: 'group', id, rights })),
  ];
  const merged = new Map<string, AccessEntry>();
  for (const entry of [...entries.filter(({ tag }) => tag !== 'mask'), ...added]) {
    const key = `${entry.tag} ${entry.id ?? ''}`;
    merged.set(key, { ...entry, rights: entry.rights | (merged.get(key)?.rights ?? 0) });
  }
  const all = [...merged.values()];
  const ofGroupClass = all.filter(({ tag }) => tag !== 'owner' && tag !== 'other');
  return [...all, { tag: 'mask', rights: ofGroupClass.reduce((sum, entry) => sum | entry.rights, 0) }];
}

export function encodeAccessList(entries: readonly AccessEntry[]): Buffer {
  const inOrder = [...entries].sort((a, b) => TAGS[a.tag] - TAGS[b.tag] || (a.id ?? 0) - (b.id ?? 0));
  const bytes = Buffer.alloc(HEADER_SIZE + ENTRY_SIZE * inOrder.length);
  bytes.writeUInt32LE(ACL_VERSION);
  inOrder.forEach(({ tag, id, rights }, i) => {
    const at = HEADER_SIZE + ENTRY_SIZE * i;
    bytes.writeUInt16LE(TAGS[tag], at);
    bytes.writeUInt16LE(rights, at + 2);
    bytes.writeUInt32LE(id ?? NO_ID, at + 4);
  });
  return bytes;
}

const TAG_NAMES = new Map(
  Object.entries(TAGS).map(([name, tag]) => [tag as number, name as AccessEntry['tag']]),
);

/** @throws SystemError EINVAL for what the kernel never hands out */
export function decodeAccessList(bytes: Buffer): AccessEntry[] {
  const count = (bytes.length - HEADER_SIZE) / ENTRY_SIZE;
  if (count < 0 || !Number.isInteger(count) || bytes.readUInt32LE() !== ACL_VERSION) throw malformed();
  return Array.from({ length: count }, (_, i) => {
    const at = HEADER_SIZE + ENTRY_SIZE * i;
    const tag = TAG_NAMES.get(bytes.readUInt16LE(at));
    if (tag === undefined) throw malformed();
    const id = bytes.readUInt32LE(at + 4);
    return { tag, rights: bytes.readUInt16LE(at + 2), ...(id === NO_ID ? {} : { id }) };
  });
}

function malformed(): Error {
  return systemError(constants.errno.EINVAL, { syscall: 'getxattr' });
}
