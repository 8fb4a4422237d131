// Compiles the C: the runtime that is preloaded into php-cgi, and the program that holds kept connections
//   src/runtime/*.c                            -> dist/runtime/tsfpm-runtime.so
//   src/keeper/*.c and what it shares with that -> dist/runtime/tsfpm-keeper
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const runtime = join(root, 'src', 'runtime');
const keeper = join(root, 'src', 'keeper');
const compiler = process.env.CC || 'cc';

const flags = ['-std=c11', '-O2', '-g', '-fvisibility=hidden'];
const warnings = ['-Wall', '-Wextra', '-Werror=implicit-function-declaration', '-Wshadow', '-Wvla'];
const hardening = ['-fstack-protector-strong', '-Wl,-z,relro,-z,now', '-Wl,-z,noexecstack'];
const library = ['-fPIC', '-shared', '-fno-semantic-interposition'];
const program = ['-fPIE', '-pie'];

const sourcesIn = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(folder, name));

// Written beside the target and renamed: a running master may have the old file mapped, or be running it.
function compile(name, kind, sources, libraries) {
  const target = join(root, 'dist', 'runtime', name);
  const args = [
    ...flags,
    ...kind,
    ...warnings,
    ...hardening,
    '-o',
    `${target}.new`,
    ...sources,
    ...libraries,
  ];
  const result = spawnSync(compiler, args, { stdio: 'inherit' });
  if (result.error) {
    console.error(`tsfpm: cannot run the C compiler '${compiler}' (${result.error.message}).`);
    console.error('Install one, for example: apt-get install gcc libc6-dev; or name yours in CC.');
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
  renameSync(`${target}.new`, target);
}

mkdirSync(join(root, 'dist', 'runtime'), { recursive: true });
compile('tsfpm-runtime.so', library, sourcesIn(runtime), ['-ldl']);
compile(
  'tsfpm-keeper',
  program,
  [...sourcesIn(keeper), ...['hand-over.c', 'pass-descriptor.c'].map((name) => join(runtime, name))],
  [],
);
