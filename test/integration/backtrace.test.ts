import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Frame } from '../../src/slowlog/backtrace.js';
import { phpLayout } from '../../src/slowlog/php-layout.js';
import { type Trace, Tracer } from '../../src/slowlog/tracer.js';
import { findPhpCgi } from '../../src/zygote/php-binary.js';
import { until } from '../helpers/wait.js';

// Backtraces read from outside, beside the one that PHP gives at the same place. TSFPM_PHP_CGI names another php-cgi.

/** dist/test/integration/ -> test/fixtures/ */
const SCRIPT = fileURLToPath(new URL('../../../test/fixtures/backtrace/nested.php', import.meta.url));
const BINARY = findPhpCgi(process.env.TSFPM_PHP_CGI || undefined, process.env.PATH);
const VERSION = execFileSync(BINARY, ['-n', '-v'], { encoding: 'utf8' }).split(' ')[1] ?? '';

/** A frame of debug_backtrace(). */
interface PhpFrame {
  readonly function: string;
  readonly class?: string;
  readonly file?: string;
  readonly line?: number;
}

interface Nested {
  readonly pid: number;
  /** What of opcache is at work. */
  readonly has: string;
  readonly frames: readonly PhpFrame[];
}

async function startNested(t: TestContext, settings: readonly string[], computes: boolean): Promise<Nested> {
  const environment = { ...process.env, NESTED_COMPUTES: computes ? 'yes' : 'no' };
  // Not a child of ours: Node would take the stop of a child that is traced for its end.
  const shell: ChildProcess = spawn(
    '/bin/sh',
    ['-c', '"$@" & wait', 'sh', BINARY, '-q', ...settings.flatMap((setting) => ['-d', setting]), SCRIPT],
    { env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  t.after(() => process.kill(-(shell.pid as number), 'SIGKILL'));
  let output = '';
  shell.stdout?.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  shell.stderr?.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const [, pid, has = '', frames = ''] = await until('the script is at its place', () =>
    /^(\d+) (\S+) (.{100,})\n/m.exec(output),
  ).catch((error: Error) => {
    error.message += `; it said ${output}`;
    throw error;
  });
  return {
    pid: Number(pid),
    has,
    frames: JSON.parse(Buffer.from(frames, 'base64').toString()) as PhpFrame[],
  };
}

/** As the slow log names it; include and eval have one name, and of an anonymous class its file is left out. */
function nameOf(frame: PhpFrame): string {
  if (frame.class === undefined && /^(include|require)(_once)?$|^eval$/.test(frame.function))
    return '[INCLUDE_OR_EVAL]';
  return frame.class === undefined ? frame.function : `${frame.class.split('\0')[0]}::${frame.function}`;
}

/** What PHP says, in the form of ours: a callback has the place of the function that called it. */
function expected(frames: readonly PhpFrame[]): string[] {
  return frames.map((frame, index) => {
    const place = frames.slice(index).find(({ file }) => file !== undefined);
    return `${nameOf(frame)}() ${place?.file}:${place?.line}`;
  });
}

const found = (frames: readonly Frame[]) =>
  frames.map(({ name, calledFrom }) => `${name}() ${calledFrom?.file}:${calledFrom?.line}`);

const OFF = ['opcache.enable=0', 'opcache.enable_cli=0'];
const ON = [
  'opcache.enable=1',
  'opcache.enable_cli=1',
  'opcache.file_update_protection=0',
  'opcache.jit=disable',
];
const jit = (kind: string) => [
  ...ON.slice(0, -1),
  `opcache.jit=${kind}`,
  'opcache.jit_buffer_size=16M',
  'opcache.jit_hot_loop=5',
  'opcache.jit_hot_func=5',
];
const hasJit = !VERSION.startsWith('7.');
const skip = phpLayout(VERSION) === undefined ? `no layout of PHP ${VERSION}` : false;
const MODES: readonly [string, readonly string[], string][] = [
  ['without opcache', OFF, '-'],
  ['with opcache', ON, 'opcache'],
  ['with the tracing JIT', jit('tracing'), 'opcache+jit'],
  ['with the function JIT', jit('function'), 'opcache+jit'],
];
const DEPTH = 100;

for (const [mode, settings, wanted] of MODES) {
  const isThere = hasJit || !wanted.includes('jit');
  const options = { skip: skip || (isThere ? false : `PHP ${VERSION} has no JIT`) };

  test(`a backtrace from outside is what PHP says of itself, ${mode}`, options, async (t) => {
    const { pid, has, frames } = await startNested(t, settings, false);
    assert.equal(has, wanted);
    const tracer = Tracer.of(pid, VERSION);
    const { backtrace, stoppedMs } = await until('it sleeps', async () => {
      const trace = await tracer.trace(pid, DEPTH);
      return trace.backtrace.frames[0]?.name === 'sleep' && trace;
    });
    assert.equal(stoppedMs, 0, 'one that sleeps is not stopped');
    const [innermost, ...others] = found(backtrace.frames);
    assert.match(innermost ?? '', /^sleep\(\) .*nested\.php:\d+$/);
    assert.deepEqual(others, expected(frames));
    assert.ok(others.length > 20);
    assert.equal(backtrace.isCut, false);
    const cut = await tracer.trace(pid, 3);
    assert.deepEqual(
      [found(cut.backtrace.frames), cut.backtrace.isCut],
      [found(backtrace.frames).slice(0, 3), true],
    );
  });

  test(`the same of one that computes, again and again, ${mode}`, options, async (t) => {
    const { pid, frames } = await startNested(t, settings, true);
    const tracer = Tracer.of(pid, VERSION);
    const outer = expected(frames);
    await until('it computes', async () => {
      const { backtrace } = await tracer.trace(pid, DEPTH);
      return backtrace.frames.some(({ name }) => name === 'compute');
    });
    const traces: Trace[] = [];
    for (let count = 0; count < 60; count++) traces.push(await tracer.trace(pid, DEPTH));
    for (const { backtrace } of traces) {
      const all = found(backtrace.frames);
      assert.deepEqual(all.slice(-outer.length), outer);
      const inner = backtrace.frames.slice(0, -outer.length).map(({ name }) => name);
      assert.match(
        inner.toReversed().join(' '),
        /^(compute( step( (strlen|str_repeat|third))?)?)?$/,
        'nothing but what can be there',
      );
    }
    t.diagnostic(
      `stopped ${traces.filter(({ stoppedMs }) => stoppedMs > 0).length} of ${traces.length} times, at most ${Math.max(...traces.map(({ stoppedMs }) => stoppedMs)).toFixed(2)} ms`,
    );
  });
}
