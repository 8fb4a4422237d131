import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE } from '../helpers/cache.js';
import { CommandFailed, run } from '../php/command.js';

const PACKAGE = fileURLToPath(new URL('../../../package.json', import.meta.url));
const VERSIONS = join(CACHE, 'node');

/** What `engines` asks for: `>=20.17` is 20.17.0. */
export function lowestSupported(): string {
  const { engines } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { engines: { node: string } };
  const [, version] = /^>=(\d+\.\d+)$/.exec(engines.node) ?? [];
  if (version === undefined)
    throw new Error(`package.json: engines.node is not >=MAJOR.MINOR: ${engines.node}`);
  return `${version}.0`;
}

/** From npm's registry, the first time. @returns the program, or why there is none */
export function bringNode(version: string): string | { readonly reason: string } {
  const place = join(VERSIONS, version);
  const program = join(place, 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(VERSIONS, { recursive: true });
  const folder = mkdtempSync(join(VERSIONS, '.new-'));
  try {
    const name = `node-linux-${process.arch}@${version}`;
    const archive = run('npm', ['pack', '--silent', name], { cwd: folder }).trim();
    run('tar', ['xzf', archive], { cwd: folder });
    const found = run(join(folder, 'package/bin/node'), ['--version']).trim();
    if (found !== `v${version}`) return { reason: `the package ${name} holds Node ${found}` };
    // A run beside this one may have been quicker.
    if (!existsSync(place)) renameSync(join(folder, 'package'), place);
    return program;
  } catch (error) {
    if (error instanceof CommandFailed) return { reason: error.message };
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
