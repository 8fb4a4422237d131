import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Daemon, type DaemonOptions, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { freePort } from '../helpers/ports.js';
import { PID_PHP, SLOW_PHP } from '../helpers/probes.js';
import { isAlive } from '../helpers/processes.js';
import { sleep, until } from '../helpers/wait.js';

const files = {
  'pid.php': PID_PHP,
  'slow.php': SLOW_PHP,
  'sleep.php': `<?php touch(__DIR__ . '/../marks/started-sleep'); $left = sleep(1); echo "left $left";`,
};

const CLEAN = { code: 0, signal: null };

interface RunningRequest {
  /** The answer's text, or the reason why there is none. */
  readonly outcome: Promise<string>;
}

/** A request whose script has begun. */
async function begin(tsfpm: Daemon, ms: number, name = 'x', pool?: string): Promise<RunningRequest> {
  const outcome = tsfpm
    .request('slow.php', {
      params: { QUERY_STRING: `ms=${ms}&name=${name}` },
      ...(pool === undefined ? {} : { pool }),
    })
    .then(
      ({ text }) => text.replace(/[0-9]+$/, 'PID'),
      (error: Error) => error.message.replace(/:.*/s, ''),
    );
  await until('the script runs', () => existsSync(tsfpm.folder.at(`marks/started-${name}`)));
  return { outcome };
}

const start = (t: TestContext, options: DaemonOptions = {}) => startTsfpm(t, { files, ...options });

const ANSWERED = 'slept PID';
const CUT_OFF = 'connection closed';

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)
  test(`${signal} ends an idle daemon at once, with code 0 and nothing left`, async (t) => {
    const tsfpm = await start(t, { pools: { www: {}, shop: {} } });
    await tsfpm.get('pid.php');
    const startMs = performance.now();
    assert.deepEqual(await tsfpm.stop(signal), CLEAN);
    assert.ok(performance.now() - startMs < 3000);
    assert.match(
      tsfpm.log.text,
      signal === 'SIGQUIT' ? /NOTICE: Finishing \.\.\./ : /NOTICE: Terminating \.\.\./,
    );
    assert.match(tsfpm.log.text, /NOTICE: exiting, bye-bye!\n$/);
    for (const name of ['www.sock', 'shop.sock', 'tsfpm.pid'])
      assert.equal(existsSync(tsfpm.folder.at(name)), false, name);
    assert.deepEqual(tsfpm.family(), []);
  });

test('SIGQUIT lets a running request finish and answer', async (t) => {
  const tsfpm = await start(t);
  const { outcome } = await begin(tsfpm, 800);
  tsfpm.signal('SIGQUIT');
  assert.equal(await outcome, ANSWERED);
  assert.deepEqual(await tsfpm.ended(), CLEAN);
});

test('SIGQUIT does not cut a script’s sleep() short', async (t) => {
  const tsfpm = await start(t);
  const outcome = tsfpm.get('sleep.php');
  await until('the script sleeps', () => existsSync(tsfpm.folder.at('marks/started-sleep')));
  tsfpm.signal('SIGQUIT');
  assert.equal(await outcome, 'left 0');
  assert.deepEqual(await tsfpm.ended(), CLEAN);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  test(`${signal} without process_control_timeout cuts a running request off`, async (t) => {
    const tsfpm = await start(t);
    const { outcome } = await begin(tsfpm, 20_000);
    const startMs = performance.now();
    assert.deepEqual(await tsfpm.stop(signal), CLEAN);
    assert.ok(performance.now() - startMs < 4000);
    assert.equal(await outcome, CUT_OFF);
  });

test('SIGTERM with process_control_timeout lets a running request finish', async (t) => {
  const tsfpm = await start(t, { global: { process_control_timeout: 20 } });
  const { outcome } = await begin(tsfpm, 800);
  const startMs = performance.now();
  tsfpm.signal('SIGTERM');
  assert.equal(await outcome, ANSWERED);
  assert.deepEqual(await tsfpm.ended(), CLEAN);
  assert.ok(performance.now() - startMs < 10_000);
});

for (const signal of ['SIGTERM', 'SIGQUIT'] as const)
  test(`a request that outlasts process_control_timeout after ${signal} is cut off`, async (t) => {
    const tsfpm = await start(t, { global: { process_control_timeout: 1 } });
    const { outcome } = await begin(tsfpm, 20_000);
    const startMs = performance.now();
    assert.deepEqual(await tsfpm.stop(signal), CLEAN);
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs > 900 && tookMs < 6000, `${tookMs} ms`);
    assert.equal(await outcome, CUT_OFF);
  });

test('a second SIGTERM kills', async (t) => {
  const tsfpm = await start(t, { global: { process_control_timeout: 60 } });
  const { outcome } = await begin(tsfpm, 20_000);
  tsfpm.signal('SIGTERM');
  await tsfpm.expectLog(/Terminating/);
  await sleep(200);
  assert.equal(tsfpm.hasEnded, false);
  assert.deepEqual(await tsfpm.stop('SIGTERM'), CLEAN);
  assert.equal(await outcome, CUT_OFF);
});

test('SIGTERM overrides SIGQUIT', async (t) => {
  const tsfpm = await start(t);
  const { outcome } = await begin(tsfpm, 20_000);
  tsfpm.signal('SIGQUIT');
  await tsfpm.expectLog(/Finishing/);
  await sleep(200);
  assert.equal(tsfpm.hasEnded, false);
  assert.deepEqual(await tsfpm.stop('SIGTERM'), CLEAN);
  assert.equal(await outcome, CUT_OFF);
});

test('a script that ignores signals and clients that keep their connections do not delay a stop', async (t) => {
  const tsfpm = await start(t, {
    files: {
      ...files,
      'deaf.php': '<?php pcntl_signal(SIGTERM, SIG_IGN); pcntl_signal(SIGQUIT, SIG_IGN); echo "deaf";',
    },
  });
  for (let i = 0; i < 4; i++) await tsfpm.get('deaf.php');
  const connection = await FastcgiConnection.open(tsfpm.address());
  t.after(() => connection.close());
  await connection.request({ params: scriptParams(tsfpm.folder.script('pid.php')), keepConn: true });
  const silent = await FastcgiConnection.open(tsfpm.address());
  t.after(() => silent.close());
  const startMs = performance.now();
  assert.deepEqual(await tsfpm.stop('SIGTERM'), CLEAN);
  assert.ok(performance.now() - startMs < 4000);
});

test('an idle kept-alive connection does not delay SIGQUIT', async (t) => {
  const tsfpm = await start(t);
  const connection = await FastcgiConnection.open(tsfpm.address());
  t.after(() => connection.close());
  await connection.request({ params: scriptParams(tsfpm.folder.script('pid.php')), keepConn: true });
  const startMs = performance.now();
  assert.deepEqual(await tsfpm.stop('SIGQUIT'), CLEAN);
  assert.ok(performance.now() - startMs < 4000);
});

test('a master that is killed leaves no idle worker and no zygote behind', async (t) => {
  const tsfpm = await start(t, { pools: { www: {}, shop: {} } });
  await tsfpm.get('pid.php');
  const startMs = performance.now();
  assert.deepEqual(await tsfpm.stop('SIGKILL'), { code: null, signal: 'SIGKILL' });
  await until('everything has ended', () => tsfpm.family().length === 0);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 1500, `${tookMs} ms`);
  await tsfpm.start();
  await tsfpm.get('pid.php');
});

for (const [kind, listen] of [
  ['unix', '{folder}/www.sock'],
  ['TCP', `127.0.0.1:${await freePort()}`],
] as const)
  test(`a running request of a killed master answers while a new master serves on the same ${kind} socket`, async (t) => {
    const tsfpm = await start(t, { pools: { www: { listen } } });
    const { outcome } = await begin(tsfpm, 1500);
    const former = tsfpm.family().map(({ pid }) => pid);
    await tsfpm.stop('SIGKILL');
    await tsfpm.start();
    const startMs = performance.now();
    await tsfpm.get('pid.php');
    assert.ok(performance.now() - startMs < 1000);
    assert.equal(await outcome, ANSWERED);
    await until('the former processes have ended', () => !former.some(isAlive));
  });

test('an idle kept-alive connection does not keep the workers of a killed master', async (t) => {
  const tsfpm = await start(t);
  const connection = await FastcgiConnection.open(tsfpm.address());
  t.after(() => connection.close());
  await connection.request({ params: scriptParams(tsfpm.folder.script('pid.php')), keepConn: true });
  await tsfpm.stop('SIGKILL');
  await until('everything has ended', () => tsfpm.family().length === 0, 3000);
  await tsfpm.start();
});

test('a zygote that is killed is replaced, and its running request finishes', async (t) => {
  const tsfpm = await start(t, { pools: { www: {}, shop: {} } });
  const zygote = tsfpm.zygote('www') ?? 0;
  const [shops] = [tsfpm.workers('shop')];
  const { outcome } = await begin(tsfpm, 1200);
  process.kill(zygote, 'SIGKILL');
  await tsfpm.expectLog(/ERROR: \[pool www\] zygote [0-9]+ exited on signal 9 \(SIGKILL\); starting another/);
  await until('another zygote', () => (tsfpm.zygote('www') ?? zygote) !== zygote);
  await tsfpm.get('pid.php');
  assert.equal(await outcome, ANSWERED);
  await tsfpm.untilWorkers(2, 'www');
  assert.deepEqual(tsfpm.workers('shop'), shops);
  assert.equal(isAlive(zygote), false);
});

test('a stop while a zygote’s orphan still works waits for it like for any other', async (t) => {
  const tsfpm = await start(t);
  const { outcome } = await begin(tsfpm, 1500);
  process.kill(tsfpm.zygote() ?? 0, 'SIGKILL');
  await tsfpm.expectLog(/starting another/);
  tsfpm.signal('SIGQUIT');
  assert.equal(await outcome, ANSWERED);
  assert.deepEqual(await tsfpm.ended(), CLEAN);
});

test('a zygote that does not answer does not keep the daemon from stopping, nor its busy worker', async (t) => {
  const tsfpm = await start(t, { pools: { www: {}, shop: {} } });
  const { outcome } = await begin(tsfpm, 60_000);
  process.kill(tsfpm.zygote('www') ?? 0, 'SIGSTOP');
  const startMs = performance.now();
  tsfpm.signal('SIGTERM');
  await tsfpm.expectLog(
    /WARNING: \[pool www\] zygote [0-9]+ exited on signal 9 \(SIGKILL\); its workers are killed/,
  );
  assert.deepEqual(await tsfpm.ended(), CLEAN);
  assert.ok(performance.now() - startMs < 8000);
  assert.equal(await outcome, CUT_OFF);
});

test('a zygote that is killed while requests are cut off takes nobody with it', async (t) => {
  const tsfpm = await start(t);
  const { outcome } = await begin(tsfpm, 60_000);
  process.kill(tsfpm.zygote() ?? 0, 'SIGKILL');
  await tsfpm.expectLog(/starting another/);
  assert.deepEqual(await tsfpm.stop('SIGTERM'), CLEAN);
  assert.equal(await outcome, CUT_OFF);
});

test('SIGTERM right after a start leaves nothing behind', async (t) => {
  const tsfpm = await start(t);
  for (const delayMs of [0, 60, 110, 150, 200]) {
    await tsfpm.stop();
    const started = tsfpm.start().catch((error: Error) => error);
    await sleep(delayMs);
    tsfpm.signal('SIGTERM');
    await started;
    await tsfpm.ended();
    assert.deepEqual(tsfpm.family(), [], `after ${delayMs} ms`);
  }
  // One that came before the master took signals in hand leaves its code to the kernel: this one counts.
  await tsfpm.start();
});

/** Traces the process, and takes no notice of its death: the kernel shows that to nobody else meanwhile. */
const HOLD_ON = `
  import { whileStopped } from '${new URL('../../src/os/ptrace.js', import.meta.url)}';
  await whileStopped(Number(process.argv[1]), () => {
    console.log('held');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

test('a worker that a debugger holds on to, dead, does not hold up the stop', async (t) => {
  const tsfpm = await start(t);
  const [pid] = tsfpm.workers();
  const debuggerProcess = spawn(process.execPath, ['--input-type=module', '-e', HOLD_ON, String(pid)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => debuggerProcess.kill('SIGKILL'));
  await once(debuggerProcess.stdout, 'data');
  tsfpm.announce(/WARNING: \[pool www\] zygote [0-9]+ exited on signal 9/);
  assert.deepEqual(await tsfpm.stop('SIGINT'), CLEAN);
});
