import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { control } from '../../../src/cli/control.js';
import { findControlSocket } from '../../../src/cli/control-socket.js';
import type { ControlOptions } from '../../../src/cli/options.js';
import { startControlServer } from '../../../src/control/server.js';
import type { ControlResult, ControlTarget } from '../../../src/control/target.js';
import { processLife } from '../../../src/os/process-life.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { until } from '../../helpers/wait.js';
import { DONE, fakeTarget, STATUS } from '../control/fake-target.js';

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-control-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function master(t: TestContext, behaviour: Partial<ControlTarget> = {}) {
  const path = join(scratch(t), 'c');
  const target = fakeTarget(behaviour);
  const server = await startControlServer({ path, target, log: new FakeLog() });
  t.after(() => server.close());
  return { path, target, server };
}

async function run(path: string | undefined, options: Partial<ControlOptions>) {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await control(
    {
      request: { verb: 'reload' },
      socket: path,
      configFile: undefined,
      prefix: undefined,
      pidFile: undefined,
      json: false,
      timeoutMs: 10_000,
      ...options,
    },
    { out: (line) => lines.push(line), error: (line) => errors.push(line) },
  );
  return { code, lines, errors };
}

const reloading = (result: ControlResult): Partial<ControlTarget> => ({
  reload: async (tell) => {
    tell('starting generation 2');
    return result;
  },
});

test('a reload that happened is told line by line and exits with 0', async (t) => {
  const { path } = await master(t, reloading({ ok: true, exitCode: 0, lines: ['generation 2 serves'] }));
  assert.deepEqual(await run(path, {}), {
    code: 0,
    lines: ['starting generation 2', 'generation 2 serves'],
    errors: [],
  });
});

test('a reload that was refused says why on stderr and exits with 1', async (t) => {
  const refused = {
    ok: false,
    exitCode: 1,
    lines: ['[f:3] no such directive', '\u001b[2Jgeneration 1 goes on'],
  };
  const { path } = await master(t, reloading(refused));
  assert.deepEqual(await run(path, {}), {
    code: 1,
    lines: ['starting generation 2'],
    errors: ['[f:3] no such directive', '?[2Jgeneration 1 goes on'],
  });
});

test('in JSON every line is an object', async (t) => {
  const { path } = await master(t, reloading(DONE));
  const { lines } = await run(path, { json: true });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [{ line: 'starting generation 2' }, { result: DONE }],
  );
});

test('a master that is not there, or not found, is told apart from one that refuses', async (t) => {
  const path = join(scratch(t), 'c');
  assert.deepEqual(await run(path, {}), {
    code: 69,
    lines: [],
    errors: [`no master answers at ${path}: No such file or directory`],
  });
  const file = `${path}.conf`;
  writeFileSync(file, '[www]\nlisten = /x\n');
  assert.deepEqual(await run(undefined, { configFile: file }), {
    code: 78,
    lines: [],
    errors: [
      'the configuration names neither control.listen nor pid; say where: --control PATH or --pid FILE',
    ],
  });
});

test('no outcome in time is neither', async (t) => {
  const { path } = await master(t, { reload: () => new Promise(() => {}) });
  assert.deepEqual(await run(path, { timeoutMs: 200 }), {
    code: 75,
    lines: [],
    errors: ['not done yet; the master goes on with it'],
  });
});

test('a master that dies of a reload is no success', async (t) => {
  const { path, server } = await master(t, {
    reload: () => {
      setTimeout(() => void server.close(), 20);
      return new Promise(() => {});
    },
  });
  const { code, errors } = await run(path, {});
  assert.equal(code, 69);
  assert.match(errors[0] ?? '', /^the master went away before it said how it ended: /);
});

test('the status is a table, or its data', async (t) => {
  const { path } = await master(t);
  const request = { verb: 'status' } as const;
  const { lines } = await run(path, { request });
  assert.equal(lines[0], 'tsfpm 0.1.0, pid 4242, running for 1 d 2 h, ready');
  const { lines: json } = await run(path, { request, json: true });
  assert.equal(json.length, 1);
  const [pool] = STATUS.pools;
  const numbers = { ...STATUS, pools: [{ ...pool, requests: 4711, slowRequests: 5 }] };
  assert.deepEqual(JSON.parse(json[0] ?? ''), numbers);
});

/** A master in a process of its own, which a stop can end. */
const STOPPABLE = (stop: string) => `
  const { startControlServer } = await import(${JSON.stringify(new URL('../../../src/control/server.js', import.meta.url).href)});
  const log = { debug() {}, notice() {}, warning() {}, error() {} };
  const server = await startControlServer({
    path: process.argv[1],
    log,
    target: { stop: async (kind) => { ${stop}; return { ok: true, exitCode: 0, lines: [kind] }; } },
  });
  process.stdout.write('up');
`;

async function stoppable(t: TestContext, stop: string) {
  const path = join(scratch(t), 'c');
  const child = spawn(process.execPath, ['--input-type=module', '-e', STOPPABLE(stop), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let isUp = false;
  child.stdout.on('data', () => {
    isUp = true;
  });
  await until('the master is up', () => isUp);
  return { path, pid: child.pid ?? 0 };
}

const STOP = { verb: 'stop', kind: 'terminate' } as const;

test('a stop is done when the process has ended', async (t) => {
  const { path, pid } = await stoppable(t, 'setTimeout(() => process.exit(), 300)');
  assert.deepEqual(await run(path, { request: STOP }), {
    code: 0,
    lines: ['terminate', 'the master has ended'],
    errors: [],
  });
  assert.equal(processLife(pid), undefined);
});

test('a master that ends without a word has stopped too', async (t) => {
  const { path } = await stoppable(t, 'process.exit()');
  assert.deepEqual(await run(path, { request: STOP }), {
    code: 0,
    lines: ['the master has ended'],
    errors: [],
  });
});

test('a stop that takes too long is not taken for one', async (t) => {
  const { path } = await stoppable(t, 'setInterval(() => {}, 1000); void server.close()');
  const { code, errors } = await run(path, { request: STOP, timeoutMs: 500 });
  assert.deepEqual([code, errors], [75, ['not done yet; the master goes on with it']]);
});

test('a stop that is refused does not wait', async (t) => {
  const { path } = await master(t, { stop: async () => ({ ok: false, exitCode: 1, lines: ['no'] }) });
  assert.deepEqual(await run(path, { request: STOP }), { code: 1, lines: [], errors: ['no'] });
});

test('an upgrade asks the code that serves after it how it went', async (t) => {
  const { path, server } = await master(t, {
    upgrade: (tell) => {
      tell('replacing 0.1.0');
      setTimeout(() => void server.close(), 20);
      return new Promise(() => {});
    },
  });
  const outcome = run(path, { request: { verb: 'upgrade' } });
  // For a while nobody answers, as between an exec and the end of a start.
  await until('the old code is gone', () => !existsSync(path));
  await server.close();
  const upgraded = async () => ({ ok: true, exitCode: 0, lines: ['0.2.0 serves'] });
  const next = await startControlServer({ path, target: fakeTarget({ upgraded }), log: new FakeLog() });
  t.after(() => next.close());
  assert.deepEqual(await outcome, { code: 0, lines: ['replacing 0.1.0', '0.2.0 serves'], errors: [] });
});

test('an upgrade that is refused ends there', async (t) => {
  const refused = { ok: false, exitCode: 1, lines: ['0.2.0 does not start'] };
  const { path } = await master(t, { upgrade: async () => refused });
  assert.deepEqual(await run(path, { request: { verb: 'upgrade' } }), {
    code: 1,
    lines: [],
    errors: ['0.2.0 does not start'],
  });
});

test('the socket is where the options say, else the file, else beside the pid file', (t) => {
  const folder = scratch(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const pid = file('pid.conf', '[global]\npid = /run/a.pid\n[www]\nlisten = /x\n');
  const both = file('both.conf', '[global]\npid = /run/a.pid\ncontrol.listen = c.sock\n');
  const broken = file('broken.conf', '[global]\nnonsense\npid = /run/a.pid\nno.such = 1\n[www]\npm = ?\n');
  const neither = file('neither.conf', '[www]\nlisten = /x\n');
  const included = file('included.conf', `include = ${both}\n`);
  const none = { socket: undefined, configFile: undefined, prefix: undefined, pidFile: undefined };
  const cases: [string, object, string | undefined][] = [
    ['--control', { socket: 'here', configFile: pid }, 'here'],
    ['pid', { configFile: pid }, '/run/a.control'],
    ['control.listen', { configFile: both }, '/var/c.sock'],
    ['control.listen below a prefix', { configFile: both, prefix: '/srv' }, '/srv/c.sock'],
    ['a file that is broken by now', { configFile: broken }, '/run/a.control'],
    ['an included file', { configFile: included }, '/var/c.sock'],
    ['--pid for a file without', { configFile: neither, pidFile: 'b.pid' }, '/var/b.control'],
    ['pid before --pid', { configFile: pid, pidFile: '/b.pid' }, '/run/a.control'],
    ['--pid alone', { pidFile: '/b.pid' }, '/b.control'],
    ['nothing', { configFile: neither }, undefined],
    ['a file that is not there', { configFile: join(folder, 'none') }, undefined],
  ];
  for (const [what, where, path] of cases) assert.equal(findControlSocket({ ...none, ...where }), path, what);
});
