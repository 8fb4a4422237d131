import type { Region } from './memory.js';

/** The parts of /proc/PID/maps that a backtrace needs. */
export interface Maps {
  /** Memory that may hold data of PHP, sorted by address. */
  readonly regions: readonly Region[];
  /** Address at which the first byte of the program's file is mapped; undefined if it is not. */
  readonly programStart: number | undefined;
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (r)... ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ (\d+) *(.*)$/;
/** opcache's shared memory, for each way in which it may allocate it. */
const SHARED_MEMORY = /^\/(?:dev\/zero|dev\/shm\/|SYSV|memfd:|anon_hugepage)/;

/**
 * The memory that PHP allocates, opcache's, and the program's own. Other mapped files are left out: PHP's stack is in
 * none of them, and reading one may block for ever (FUSE, an NFS server that is down).
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
