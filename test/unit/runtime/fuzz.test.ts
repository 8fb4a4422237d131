import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** dist/test/unit/runtime/ -> the checkout */
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
/** TSFPM_FUZZ_SECONDS=600 for a long run. */
const SECONDS = Number(process.env.TSFPM_FUZZ_SECONDS ?? 5);
const CFLAGS = ['-std=c11', '-g', '-O1', '-Wall', '-Wextra', '-Werror'];
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

function run(
  command: string,
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv } = {},
) {
  return spawnSync(command, args, { encoding: 'utf8', timeout: (SECONDS + 60) * 1000, ...options });
}

const compiler = process.env.CC || 'cc';
const probe = run(compiler, [...SANITIZERS, '-x', 'c', '-o', '/dev/null', '-'], {
  input: 'int main(void){return 0;}',
});
const skip = probe.status === 0 ? false : `${compiler} cannot compile with sanitizers`;

/** Compiles test/fuzz/NAME.c, which includes the file that it tests, and runs it. */
function fuzz(t: TestContext, name: string, others: readonly string[]): SpawnSyncReturns<string> {
  const folder = mkdtempSync('/tmp/tsfpm-test-fuzz-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, name);
  const sources = [
    join(ROOT, 'test/fuzz', `${name}.c`),
    ...others.map((other) => join(ROOT, 'src', other.includes('/') ? '' : 'runtime', other)),
  ];
  const compiled = run(compiler, [...CFLAGS, ...SANITIZERS, '-o', program, ...sources]);
  assert.equal(compiled.status, 0, compiled.stderr);
  // The zygote keeps what it is told for its life: those are no leaks.
  return run(program, [String(SECONDS)], { env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' } });
}

test("the worker follows any client's stream as a naive reader does, and writes nowhere else", {
  skip,
}, (t) => {
  const { status, stderr } = fuzz(t, 'worker-stream', [
    'stream.c',
    'request.c',
    'request-phase.c',
    'turn.c',
    'page-request.c',
    'cpu-clock.c',
  ]);
  assert.equal(status, 0, stderr);
});

test('the zygote reads any commands without harm', { skip }, (t) => {
  const { status, stderr } = fuzz(t, 'zygote-commands', [
    'channels.c',
    'forward.c',
    'events.c',
    'descriptors.c',
  ]);
  assert.equal(status, 0, stderr);
});

test('a scoreboard whose header does not fit its size is refused, and read no more once it is taken', {
  skip,
}, (t) => {
  const { status, stderr } = fuzz(t, 'scoreboard-sizes', ['scoreboard.c']);
  assert.equal(status, 0, stderr);
});

test('a request’s head is rewritten in bounds, into records that php-cgi reads to the end', { skip }, (t) => {
  const { status, stderr } = fuzz(t, 'request-head', []);
  assert.equal(status, 0, stderr);
});

test('a keeper that is sent anything holds, offers or closes each connection, and has no descriptor left over', {
  skip,
}, (t) => {
  const { status, stderr } = fuzz(t, 'keeper-packets', [
    'keeper/keeper.c',
    'keeper/connections.c',
    'hand-over.c',
    'pass-descriptor.c',
  ]);
  assert.equal(status, 0, stderr);
});
