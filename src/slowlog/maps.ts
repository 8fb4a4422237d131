import type { Region } from './memory.js';

/** What /proc/PID/maps says, as far as it matters here. */
export interface Maps {
  /** Where PHP keeps what it works on, sorted by address. */
  readonly regions: readonly Region[];
  /** Where the beginning of the program's file is; undefined where it is not mapped. */
  readonly programStart: number | undefined;
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (r)... ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ (\d+) *(.*)$/;
/** opcache's shared memory by each of its ways. */
const SHARED_MEMORY = /^\/(?:dev\/zero|dev\/shm\/|SYSV|memfd:|anon_hugepage)/;

/**
 * Memory that PHP allocates, opcache's, and the program's own. Not other files: a script may have mapped one whose reading
 * waits for ever (FUSE, a lost NFS server), and nothing of PHP's stack is in any.
 *
 * @param program path of the running program's file, as the process's `exe` link says
 * @see proc_pid_maps(5)
 */
export function parseMaps(text: string, program: string): Maps {
  const regions: Region[] = [];
  let programStart: number | undefined;
  for (const line of text.split('\n')) {
    const [, from = '', to = '', , offset = '', inode, path = ''] = LINE.exec(line) ?? [];
    if (from === '') continue;
    const start = Number.parseInt(from, 16);
    const end = Number.parseInt(to, 16);
    const isProgram = path === program;
    if (isProgram && Number.parseInt(offset, 16) === 0) programStart ??= start;
    if (!isProgram && inode !== '0' && !SHARED_MEMORY.test(path)) continue;
    if (path.startsWith('[v')) continue; // vvar, vdso, vsyscall: the kernel's
    const last = regions.at(-1);
    if (last?.end === start) regions[regions.length - 1] = { start: last.start, end };
    else regions.push({ start, end });
  }
  return { regions, programStart };
}
