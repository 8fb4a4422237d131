import { constants } from 'node:os';
import koffi from 'koffi';
import { libcFunction, systemError } from './libc.js';
import { onceATurn } from './once-a-turn.js';

/** A user as the system knows it (passwd, LDAP, whatever nsswitch.conf names). */
export interface UserAccount {
  readonly name: string;
  readonly uid: number;
  /** Primary group. */
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

export interface GroupAccount {
  readonly name: string;
  readonly gid: number;
}

/** A first guess that fits nearly every record; doubled on ERANGE. */
const FIRST_RECORD_BYTES = 4096;
const LARGEST_RECORD_BYTES = 16 * 1024 * 1024;
const FIRST_GROUP_COUNT = 64;
const LARGEST_GROUP_COUNT = 65536 * 2;

/** `struct passwd` and `struct group`, strings left as pointers: they are garbage if nothing was found. */
const passwd = koffi.struct({
  name: 'void *',
  password: 'void *',
  uid: 'uint32_t',
  gid: 'uint32_t',
  gecos: 'void *',
  home: 'void *',
  shell: 'void *',
});
const group = koffi.struct({ name: 'void *', password: 'void *', gid: 'uint32_t', members: 'void *' });

interface PasswdRecord {
  readonly name: bigint | null;
  readonly uid: number;
  readonly gid: number;
  readonly home: bigint | null;
  readonly shell: bigint | null;
}

interface GroupRecord {
  readonly name: bigint | null;
  readonly gid: number;
}

type RecordLookup<Key> = (
  key: Key,
  record: Buffer,
  strings: Buffer,
  length: number,
  found: BigUint64Array,
) => number;

const c = {
  getpwnam_r: libcFunction<RecordLookup<string>>(
    'int getpwnam_r(const char *name, void *pwd, void *buf, size_t buflen, void *result)',
  ),
  getpwuid_r: libcFunction<RecordLookup<number>>(
    'int getpwuid_r(uint32_t uid, void *pwd, void *buf, size_t buflen, void *result)',
  ),
  getgrnam_r: libcFunction<RecordLookup<string>>(
    'int getgrnam_r(const char *name, void *grp, void *buf, size_t buflen, void *result)',
  ),
  getgrouplist: libcFunction<(user: string, gid: number, groups: Uint32Array, count: Int32Array) => number>(
    'int getgrouplist(const char *user, uint32_t group, void *groups, void *ngroups)',
  ),
};

/** Whether this process may do what only root may. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * @returns undefined if there is no such user
 * @throws SystemError if the user database cannot be asked
 * @see getpwnam(3)
 */
export const userByName = onceATurn((name: string): UserAccount | undefined =>
  lookup({ syscall: 'getpwnam_r', call: c.getpwnam_r, key: name, type: passwd, read: readUser }),
);

/** {@link userByName}, by number. */
export const userById = onceATurn((uid: number): UserAccount | undefined =>
  lookup({ syscall: 'getpwuid_r', call: c.getpwuid_r, key: uid, type: passwd, read: readUser }),
);

/** {@link userByName}, for groups. */
export const groupByName = onceATurn((name: string): GroupAccount | undefined =>
  lookup({ syscall: 'getgrnam_r', call: c.getgrnam_r, key: name, type: group, read: readGroup }),
);

/**
 * All groups that a process of this user belongs to: what initgroups(3) would set.
 *
 * @param gid the primary group to start from; it is in the result, and not twice
 * @see getgrouplist(3)
 */
export const groupIdsOfUser = onceATurn((name: string, gid: number): readonly number[] => {
  for (let room = FIRST_GROUP_COUNT; room <= LARGEST_GROUP_COUNT; room *= 2) {
    const groups = new Uint32Array(room);
    const count = Int32Array.of(room);
    if (c.getgrouplist(name, gid, groups, count) >= 0) return Array.from(groups.subarray(0, count[0] ?? 0));
  }
  throw systemError(constants.errno.ERANGE, { syscall: 'getgrouplist', address: name });
});

interface Lookup<Key, Found> {
  readonly syscall: string;
  readonly call: RecordLookup<Key>;
  readonly key: Key;
  readonly type: typeof passwd;
  readonly read: (record: Buffer) => Found;
}

function lookup<Key extends string | number, Found>(of: Lookup<Key, Found>): Found | undefined {
  const record = Buffer.alloc(of.type.size);
  for (let room = FIRST_RECORD_BYTES; room <= LARGEST_RECORD_BYTES; room *= 2) {
    const strings = Buffer.alloc(room);
    const found = new BigUint64Array(1);
    const errno = of.call(of.key, record, strings, strings.length, found);
    switch (errno) {
      case 0:
        return found[0] === 0n ? undefined : of.read(record);
      case constants.errno.ERANGE:
        continue;
      case constants.errno.EINTR:
        room /= 2; // the next turn doubles it: the same size again
        continue;
      // getpwnam(3): databases also say "no such name" with these.
      case constants.errno.ENOENT:
      case constants.errno.ESRCH:
        return undefined;
      default:
        throw systemError(errno, { syscall: of.syscall, address: String(of.key) });
    }
  }
  throw systemError(constants.errno.ERANGE, { syscall: of.syscall, address: String(of.key) });
}

function readUser(bytes: Buffer): UserAccount {
  const { name, uid, gid, home, shell } = koffi.decode(bytes, passwd) as PasswdRecord;
  return { name: text(name), uid, gid, home: text(home), shell: text(shell) };
}

function readGroup(bytes: Buffer): GroupAccount {
  const { name, gid } = koffi.decode(bytes, group) as GroupRecord;
  return { name: text(name), gid };
}

function text(pointer: bigint | null): string {
  return pointer ? koffi.decode.string(pointer) : '';
}
