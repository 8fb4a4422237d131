// Compiles the C runtime that is preloaded into php-cgi: src/runtime/*.c -> dist/runtime/tsfpm-runtime.so
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sourceDir = join(root, 'src', 'runtime');
const target = join(root, 'dist', 'runtime', 'tsfpm-runtime.so');
const compiler = process.env.CC || 'cc';
const sources = readdirSync(sourceDir)
  .filter((name) => name.endsWith('.c'))
  .map((name) => join(sourceDir, name));

mkdirSync(dirname(target), { recursive: true });
// Written beside the target and renamed: a running master may have the old file mapped.
const flags = [
  '-std=c11',
  '-O2',
  '-g',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  '-fno-semantic-interposition',
];
const warnings = ['-Wall', '-Wextra', '-Werror=implicit-function-declaration', '-Wshadow', '-Wvla'];
const hardening = ['-fstack-protector-strong', '-Wl,-z,relro,-z,now', '-Wl,-z,noexecstack'];
const args = [...flags, ...warnings, ...hardening, '-o', `${target}.new`, ...sources, '-ldl'];
const result = spawnSync(compiler, args, { stdio: 'inherit' });
if (result.error) {
  console.error(`tsfpm: cannot run the C compiler '${compiler}' (${result.error.message}).`);
  console.error('Install one, for example: apt-get install gcc libc6-dev; or name yours in CC.');
  process.exit(1);
}
if (result.status !== 0) process.exit(result.status ?? 1);
renameSync(`${target}.new`, target);
