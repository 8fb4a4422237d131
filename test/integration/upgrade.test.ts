import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { startTsfpm } from '../helpers/daemon.js';
import { freePort } from '../helpers/ports.js';
import { isAlive } from '../helpers/processes.js';
import { closedLoop } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';

const files = {
  'index.php': '<?php usleep(20000); echo getmypid();',
  'slow.php': '<?php sleep(3); echo "slept";',
};
const UPGRADED = /NOTICE: upgrading: execve.*[\s\S]*NOTICE: ready to handle connections\n/;

test('an upgrade in place loses no request, and keeps the pid and the sockets', async (t) => {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, {
    files,
    pools: { www: { 'pm.max_children': 4 }, tcp: { listen: `127.0.0.1:${port}` } },
  });
  const before = { pid: tsfpm.pid, workers: tsfpm.workers('www') };
  const slow = tsfpm.request('slow.php', { timeoutMs: 20_000 });
  const load = closedLoop(tsfpm, { script: 'index.php', connections: 3, seconds: 4 });
  const { code, stdout } = await tsfpmCommand(tsfpm, 'upgrade');
  assert.equal(code, 0, stdout);
  await tsfpm.log.expect(UPGRADED);
  assert.equal((await slow).text, 'slept');
  const { ok, failed } = await load;
  assert.ok(ok > 0);
  assert.equal(failed, 0);
  assert.equal(tsfpm.pid, before.pid);
  assert.match(tsfpm.log.text, /NOTICE: using inherited socket fd=[0-9]+, ".*"/);
  assert.deepEqual(
    tsfpm.workers('www').filter((pid) => before.workers.includes(pid)),
    [],
  );
  assert.match((await tsfpm.request('index.php', { pool: 'tcp' })).text, /^[0-9]+$/);
});

test('an upgrade whose new program cannot start is refused, and the running one serves on', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const workers = tsfpm.workers('www');
  const good = readFileSync(tsfpm.folder.configFile, 'utf8');
  writeFileSync(tsfpm.folder.configFile, `${good}\nnonsense = 1\n`);
  tsfpm.announce(/ERROR: upgrade refused: the installed program cannot take over/);
  const { code, stdout } = await tsfpmCommand(tsfpm, 'upgrade');
  assert.equal(code, 1, stdout);
  assert.match(stdout, /unknown entry 'nonsense'/);
  assert.deepEqual(tsfpm.workers('www'), workers);
  assert.match((await tsfpm.request('index.php')).text, /^[0-9]+$/);
  writeFileSync(tsfpm.folder.configFile, good);
});

/** What no trial can find out: an address that is free for the one who serves there now only. */
async function upgradeIntoFailure(t: TestContext) {
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  t.after(() => busy.close());
  const address = busy.address();
  assert.ok(address !== null && typeof address === 'object');
  const listen = `127.0.0.1:${await freePort()}`;
  const tsfpm = await startTsfpm(t, {
    files,
    global: { 'http.listen': listen },
    pools: { www: { 'pm.max_children': 4 } },
  });
  const good = readFileSync(tsfpm.folder.configFile, 'utf8');
  writeFileSync(tsfpm.folder.configFile, good.replace(listen, `127.0.0.1:${address.port}`));
  tsfpm.announce(/ERROR: .*Address already in use/, /port [0-9]+ is held by pid [0-9]+/);
  const workers = tsfpm.workers('www');
  const slow = tsfpm.request('slow.php', { timeoutMs: 20_000 });
  const load = closedLoop(tsfpm, { script: 'index.php', connections: 2, seconds: 3 });
  const command = tsfpmCommand(tsfpm, 'upgrade', '--timeout', '20');
  await tsfpm.expectLog(/ERROR: the upgraded program could not start; .*Trying again in 10 s/);
  assert.deepEqual(tsfpm.workers('www'), workers);
  assert.equal((await load).failed, 0);
  return { tsfpm, busy, slow, command };
}

test('an upgraded program that cannot start leaves the service to the former workers, and takes over later', async (t) => {
  const { tsfpm, busy, slow, command } = await upgradeIntoFailure(t);
  busy.close();
  await once(busy, 'close');
  tsfpm.signal('SIGUSR2');
  await tsfpm.expectLog(/NOTICE: ready to handle connections\n/);
  assert.equal((await command).code, 0);
  assert.equal((await slow).text, 'slept');
  assert.match(await tsfpm.get('index.php'), /^[0-9]+$/);
});

test('a stop while the former workers serve ends requests in hand and leaves nothing', async (t) => {
  const { tsfpm, slow, command } = await upgradeIntoFailure(t);
  assert.deepEqual(await tsfpm.stop('SIGTERM'), { code: 0, signal: null });
  assert.equal((await slow).text, 'slept');
  assert.equal((await command).code, 69);
  for (const name of ['www.sock', 'tsfpm.pid']) assert.equal(existsSync(tsfpm.folder.at(name)), false, name);
});

/** Loaded into every Node of the daemon: a program on trial stays where it is and answers to nothing. */
const HANGING_TRIAL = `
import { writeFileSync } from 'node:fs';
if (process.env.TSFPM_TRIAL !== undefined) {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
  writeFileSync(process.env.TRIAL_FILE, String(process.pid));
  await new Promise((resolve) => setTimeout(resolve, 1e9));
}`;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)
  test(`${signal} while the installed program is on trial ends the trial, and the service in order`, async (t) => {
    const folder = mkdtempSync('/tmp/tsfpm-trial-');
    t.after(() => rmSync(folder, { recursive: true }));
    const [program, mark] = [`${folder}/hang.mjs`, `${folder}/trial.pid`];
    writeFileSync(program, HANGING_TRIAL);
    const tsfpm = await startTsfpm(t, {
      files,
      environment: { NODE_OPTIONS: `--import=${program}`, TRIAL_FILE: mark },
    });
    const command = tsfpmCommand(tsfpm, 'upgrade');
    const trial = await until('the trial runs', () => existsSync(mark) && Number(readFileSync(mark, 'utf8')));
    tsfpm.announce(/ERROR: upgrade refused: .*the master is stopping/);
    const from = performance.now();
    assert.deepEqual(await tsfpm.stop(signal), { code: 0, signal: null });
    assert.ok(performance.now() - from < 10_000);
    await until('the trial has ended', () => !isAlive(trial));
    assert.notEqual((await command).code, 0);
  });
