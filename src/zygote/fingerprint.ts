import { statSync } from 'node:fs';

/** Changes when one of the files is replaced or written. The files are not read. */
export function fingerprint(paths: readonly string[]): string {
  return paths.map((path) => `${path}=${stamp(path)}`).join('\n');
}

function stamp(path: string): string {
  try {
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch {
    return 'missing'; // or out of reach now: EACCES, ENOMEM, ESTALE
  }
}
