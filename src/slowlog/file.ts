import { close, write } from 'node:fs';
import { promisify } from 'node:util';
import { openLog } from '../log/open-log.js';

/**
 * Opens the file, appends the text and closes it, so that a rotation needs no signal.
 *
 * @throws the system's error
 */
export async function appendToFile(path: string, text: string): Promise<void> {
  const fd = openLog(path);
  try {
    for (let rest = Buffer.from(text); rest.length > 0; ) {
      const { bytesWritten } = await promisify(write)(fd, rest);
      rest = rest.subarray(bytesWritten);
    }
  } finally {
    close(fd, () => {});
  }
}
