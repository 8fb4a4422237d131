import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type DaemonFolder, isRoot } from './daemon-folder.js';

/** @returns `test/helpers/NAME-extension.c`, compiled, where the pool's user may read it */
export function compileExtension(name: string, folder: DaemonFolder): string {
  const source = fileURLToPath(new URL(`../../../test/helpers/${name}-extension.c`, import.meta.url));
  const library = folder.at(`${name}.so`);
  execFileSync('cc', ['-std=c11', '-Wall', '-Wextra', '-shared', '-fPIC', '-o', library, source]);
  if (isRoot) chmodSync(library, 0o755);
  return library;
}
