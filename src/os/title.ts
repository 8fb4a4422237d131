import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Bytes } from '../units.js';

// proc(5), /proc/PID/stat: positions behind the ")" that ends the command's name, which is field 2.
const ARG_START = 48 - 3;
const ENV_END = 51 - 3;

/**
 * Sets what ps shows for this process. The title is written over the memory of the original arguments and
 * environment, as setproctitle() does it: the kernel reads on into the environment when the arguments no longer end
 * in a NUL. Node's own `process.title` stops at the arguments and cuts what is longer.
 *
 * Best effort: where /proc does not allow it, the title is Node's, cut.
 */
export function setProcessTitle(title: string): void {
  try {
    const { start, size } = titleMemory();
    moveEnvironment();
    const bytes = Buffer.alloc(size);
    bytes.write(title.slice(0, size - 1), 'utf8');
    const memory = openSync('/proc/self/mem', 'r+');
    try {
      writeSync(memory, bytes, 0, size, start);
    } finally {
      closeSync(memory);
    }
  } catch {
    process.title = title;
  }
}

function titleMemory(): { start: number; size: Bytes } {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const start = Number(fields[ARG_START]);
  const size = Number(fields[ENV_END]) - start;
  if (!(start > 0 && size > 1)) throw new Error('the kernel does not tell where the arguments are');
  return { start, size };
}

/** Sets every variable again, which makes libc keep a copy elsewhere: the memory they came in is overwritten next. */
function moveEnvironment(): void {
  for (const [name, value] of Object.entries(process.env)) {
    delete process.env[name];
    process.env[name] = value;
  }
}
