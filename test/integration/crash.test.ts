import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Daemon, type DaemonOptions, startTsfpm } from '../helpers/daemon.js';
import { freePort } from '../helpers/ports.js';
import { PID_PHP, SLOW_PHP } from '../helpers/probes.js';
import { isAlive, killProcess } from '../helpers/processes.js';
import {
  closedLoop,
  FRESH_PHP,
  processesOf,
  RELOADED,
  reload,
  untilRenewed,
  zygotesOf,
} from '../helpers/reload.js';
import { SLEEP_PHP } from '../helpers/scaling-pools.js';
import { sleep, until } from '../helpers/wait.js';

const files = {
  'pid.php': PID_PHP,
  'slow.php': SLOW_PHP,
  'sleep.php': SLEEP_PHP,
  'fresh.php': FRESH_PHP,
  'die.php': `<?php usleep(50000); posix_kill(getmypid(), (int) $_GET['signal']); sleep(5);`,
};
const start = (t: TestContext, options: DaemonOptions = {}) => startTsfpm(t, { files, ...options });

const die = (tsfpm: Daemon, signal: number, pool = 'www', more: Record<string, string> = {}) =>
  tsfpm.request('die.php', { pool, params: { QUERY_STRING: `signal=${signal}`, ...more } }).then(
    () => 'answered',
    (error: Error) => error.message.replace(/:.*/s, ''),
  );

for (const [name, signal] of [
  ['SIGSEGV', 11],
  ['SIGBUS', 7],
  ['SIGABRT', 6],
  ['SIGKILL', 9],
] as const)
  test(`a worker killed by ${name} loses its own request only, and the log says which`, async (t) => {
    const tsfpm = await start(t, { pools: { www: { 'pm.max_children': 3, rlimit_core: 0 } } });
    tsfpm.announce(/exited on signal/);
    const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=10', connections: 2, seconds: 1.5 });
    await sleep(200);
    const outcome = await die(tsfpm, signal, 'www', { SCRIPT_NAME: '/app/x' });
    assert.equal(outcome, 'connection closed');
    const [, pid, script, seconds] = await tsfpm.expectLog(
      new RegExp(
        `WARNING: \\[pool www\\] child ([0-9]+) exited on signal ${signal} \\(${name}[^)]*\\) after [0-9.]+ seconds from start` +
          `, script '(.*)' \\(request: "GET /app/x\\?signal=${signal}"\\) was lost after ([0-9.]+) sec`,
      ),
    );
    assert.equal(script, tsfpm.folder.script('die.php'));
    assert.ok(Number(seconds) >= 0.05 && Number(seconds) < 2, seconds);
    assert.equal(isAlive(Number(pid)), false);
    assert.equal((await load).failed, 0);
    await tsfpm.untilWorkers(3);
  });

test('a hostile request makes one line of its loss, and no other', async (t) => {
  const tsfpm = await start(t, { pools: { www: { rlimit_core: 0 } } });
  const uri = '/a\n[22-Nov-2026 00:00:00] ALERT: forged\r\u001b[31m"\u0000ü';
  await die(tsfpm, 11, 'www', { SCRIPT_NAME: uri, REQUEST_METHOD: 'GET\nPOST' });
  await tsfpm.expectLog(/child [0-9]+ exited on signal 11 .* was lost after [0-9.]+ sec/);
  assert.ok(!tsfpm.log.lines.some((line) => /^\[22-Nov-2026 00:00:00\]/.test(line)));
  for (const byte of ['\u001b', '\u0000', '\r']) assert.ok(!tsfpm.log.text.includes(byte));
});

test('an idle worker that is killed loses nothing, and no request is named', async (t) => {
  const tsfpm = await start(t);
  const [victim = 0] = tsfpm.workers();
  process.kill(victim, 'SIGKILL');
  await tsfpm.expectLog(
    new RegExp(`child ${victim} exited on signal 9 \\(SIGKILL\\) after [0-9.]+ seconds from start$`, 'm'),
  );
  await tsfpm.untilWorkers(2);
});

test('workers that die as soon as they start back off, are shown, and do not concern other pools', async (t) => {
  const port = await freePort();
  const tsfpm = await start(t, {
    global: { 'http.listen': `127.0.0.1:${port}` },
    pools: { good: {}, bad: {} },
    isUnchecked: true,
  });
  const load = closedLoop(tsfpm, {
    script: 'sleep.php',
    query: 'ms=10',
    pool: 'good',
    connections: 2,
    seconds: 4,
  });
  const killer = setInterval(() => {
    for (const pid of tsfpm.workers('bad')) killProcess(pid);
  }, 5);
  t.after(() => clearInterval(killer));
  await tsfpm.expectLog(
    /\[pool bad\] children end as soon as they start \([0-9]+ in a row\); starting the next in/,
  );
  const ready = await fetch(`http://127.0.0.1:${port}/ready`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /pool bad: its workers end as soon as they start/);
  clearInterval(killer);
  assert.equal((await load).failed, 0);
  const forks = tsfpm.log.text.match(/\[pool bad\] child [0-9]+ exited/g)?.length ?? 0;
  assert.ok(forks < 40, `${forks} forks`);
  await until(
    'it is ready again',
    async () => (await fetch(`http://127.0.0.1:${port}/ready`)).status === 200,
  );
  await tsfpm.get('pid.php', { pool: 'bad' });
});

test('emergency_restart_threshold renews that pool only, with a fresh opcache', async (t) => {
  const pool = { rlimit_core: 0, 'php_admin_value[opcache.enable]': 1 };
  const tsfpm = await start(t, {
    global: { emergency_restart_threshold: 3, emergency_restart_interval: 60 },
    pools: { www: pool, shop: pool },
  });
  tsfpm.announce(/exited on signal/);
  const hits = async () => (await tsfpm.getJson<{ hits: number | null }>('fresh.php')).hits;
  await hits();
  assert.notEqual(await hits(), 0);
  const [www, shop] = [processesOf(tsfpm, 'www'), processesOf(tsfpm, 'shop')];
  // Neither is what php-fpm counts.
  for (const signal of [9, 6]) await die(tsfpm, signal);
  for (const signal of [11, 7]) await die(tsfpm, signal);
  await tsfpm.untilWorkers(2, 'www');
  assert.equal(tsfpm.zygote('www'), www[0]);
  await die(tsfpm, 11);
  await tsfpm.expectLog(
    /WARNING: failed processes threshold \(3 in 60 sec\) is reached, initiating reload of pool www/,
  );
  await untilRenewed(tsfpm, 'www', www, 2);
  assert.equal(await hits(), 0);
  assert.deepEqual(processesOf(tsfpm, 'shop'), shop);
});

test('a reload during an emergency restart wins: its settings are in force', async (t) => {
  const tsfpm = await start(t, {
    global: { emergency_restart_threshold: 1, emergency_restart_interval: 60 },
    pools: { www: { rlimit_core: 0 } },
    files: { ...files, 'colour.php': `<?php echo getenv('COLOUR');` },
  });
  tsfpm.announce(/exited on signal/, /failed processes threshold/);
  tsfpm.folder.writePieces({ pools: { www: { 'env[COLOUR]': 'blue' } } });
  const reloading = tsfpm.log.expect(RELOADED);
  await Promise.all([
    die(tsfpm, 11),
    tsfpm.log.expect(/initiating reload/).then(() => tsfpm.signal('SIGUSR2')),
  ]);
  await reloading;
  await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
  await sleep(300);
  assert.equal(await tsfpm.get('colour.php'), 'blue');
  assert.equal(zygotesOf(tsfpm, 'www').length, 1);
});

test('a zygote that is killed under load is replaced; no request is lost, and its workers’ ends are told', async (t) => {
  const tsfpm = await start(t, { global: { log_level: 'debug' }, pools: { www: { 'pm.max_children': 4 } } });
  tsfpm.announce(/zygote [0-9]+ exited on signal 9/, /child [0-9]+ exited/);
  const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=20', seconds: 3 });
  await sleep(300);
  for (let i = 0; i < 3; i++) {
    await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
    const before = processesOf(tsfpm, 'www');
    process.kill(zygotesOf(tsfpm, 'www')[0] ?? 0, 'SIGKILL');
    await untilRenewed(tsfpm, 'www', before, 4);
    for (const pid of before.slice(1))
      await until(`the end of ${pid} is told`, () => tsfpm.log.text.includes(`child ${pid} exited`));
    if (i < 2) await reload(tsfpm);
  }
  const result = await load;
  assert.equal(result.failed, 0, JSON.stringify(result.failures));
});

test('a reload while a lost zygote is being replaced leaves one generation, the new one', async (t) => {
  const tsfpm = await start(t, { files: { ...files, 'colour.php': `<?php echo getenv('COLOUR');` } });
  for (const [round, delayMs] of [0, 20, 60].entries()) {
    tsfpm.announce(/zygote [0-9]+ exited/, /php-cgi .* exited/);
    process.kill(zygotesOf(tsfpm, 'www').at(-1) ?? 0, 'SIGKILL');
    await sleep(delayMs);
    await reload(tsfpm, { pools: { www: { 'env[COLOUR]': `colour-${round}` } } });
    await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
    await sleep(300);
    assert.equal(zygotesOf(tsfpm, 'www').length, 1);
    await tsfpm.untilWorkers(2);
    for (let i = 0; i < 4; i++) assert.equal(await tsfpm.get('colour.php'), `colour-${round}`);
  }
});

test('a zygote that is stopped is found out and replaced, and a running request finishes', async (t) => {
  const tsfpm = await start(t);
  const zygote = tsfpm.zygote() ?? 0;
  process.kill(zygote, 'SIGSTOP');
  const outcome = tsfpm.request('slow.php', {
    params: { QUERY_STRING: 'ms=18000&name=x' },
    timeoutMs: 40_000,
  });
  await until('the script runs', () => existsSync(tsfpm.folder.at('marks/started-x')));
  tsfpm.announce(/does not answer; killing it/, /zygote [0-9]+ exited on signal 9/);
  await tsfpm.log.expect(new RegExp(`\\[pool www\\] zygote ${zygote} does not answer; killing it`), 40_000);
  await until('another zygote', () => zygotesOf(tsfpm, 'www').some((pid) => pid !== zygote));
  await tsfpm.get('pid.php');
  assert.match((await outcome).text, /^slept /);
  await tsfpm.untilWorkers(2);
});
