import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TSFPM } from './daemon.js';

/** dist/test/helpers/ -> test/helpers/ */
const SOURCE = fileURLToPath(new URL('../../../test/helpers/confine.c', import.meta.url));

/** What a command is kept from; see confine.c. */
export interface Confinement {
  /** `CALL[:ARGUMENT:VALUE]=ERRNO` */
  readonly refuse?: readonly string[];
  /** Capabilities that stay, without CAP_. Default: all. */
  readonly capabilities?: readonly string[];
  /** A file that is left open to it. */
  readonly leftOpen?: string;
}

let program: string | undefined;

function compiled(): string {
  if (program !== undefined) return program;
  const folder = mkdtempSync('/tmp/tsfpm-confine-');
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'confine');
  const { status, stderr } = spawnSync('cc', ['-Wall', '-Wextra', '-Werror', '-o', path, SOURCE], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  program = path;
  return path;
}

/** `node bin/tsfpm` under these restrictions, for the `command` of a daemon under test. */
export function confined({
  refuse = [],
  capabilities,
  leftOpen,
}: Confinement): readonly [string, ...string[]] {
  return [
    compiled(),
    ...refuse.flatMap((rule) => ['--refuse', rule]),
    ...(capabilities === undefined ? [] : ['--capabilities', capabilities.join(',')]),
    ...(leftOpen === undefined ? [] : ['--leave-open', leftOpen]),
    '--',
    process.execPath,
    TSFPM,
  ];
}
