import { statSync } from 'node:fs';

/** Stands for the contents of files without reading them: two that differ tell of a change in at least one. */
export function fingerprint(paths: readonly string[]): string {
  return paths.map((path) => `${path}=${stamp(path)}`).join('\n');
}

function stamp(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? 'missing' : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}
