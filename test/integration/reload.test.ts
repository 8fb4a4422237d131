import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type Daemon, type DaemonOptions, startTsfpm } from '../helpers/daemon.js';
import { type Pieces, type Settings, unlessRoot } from '../helpers/daemon-folder.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { PHP_INI_START } from '../helpers/php-programs.js';
import { freePort } from '../helpers/ports.js';
import { PID_PHP, SLOW_PHP } from '../helpers/probes.js';
import {
  closedLoop,
  FRESH_PHP,
  INCOMPLETE,
  processesOf,
  RELOADED,
  reload,
  reloadByCommand,
  untilRenewed,
  zygotesOf,
} from '../helpers/reload.js';
import { DYNAMIC, ONDEMAND, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { sleep, until } from '../helpers/wait.js';

const files = {
  'pid.php': PID_PHP,
  'slow.php': SLOW_PHP,
  'sleep.php': SLEEP_PHP,
  'fresh.php': FRESH_PHP,
  'who.php': `<?php echo json_encode([ini_get('precision'), ini_get('user_agent'), getenv('COLOUR'), posix_geteuid()]);`,
};
const OPCACHE: Settings = { 'php_admin_value[opcache.enable]': 1 };
const start = (t: TestContext, options: DaemonOptions = {}) => startTsfpm(t, { files, ...options });

/** A request whose script has begun; its outcome is the answer, or why there is none. */
async function begin(tsfpm: Daemon, ms: number, pool = 'www'): Promise<{ outcome: Promise<string> }> {
  const outcome = tsfpm.request('slow.php', { pool, params: { QUERY_STRING: `ms=${ms}&name=${pool}` } }).then(
    ({ text }) => text.replace(/[0-9]+$/, 'PID'),
    (error: Error) => error.message.replace(/:.*/s, ''),
  );
  await until('the script runs', () => existsSync(tsfpm.folder.at(`marks/started-${pool}`)));
  return { outcome };
}

const ANSWERED = 'slept PID';
const CUT_OFF = 'connection closed';

for (const [kind, keepAlive] of [
  ['unix', false],
  ['unix', true],
  ['tcp', false],
  ['tcp', true],
] as const)
  test(`eight reloads under load lose no request and refuse no connect: ${kind}${keepAlive ? ', kept alive' : ''}`, async (t) => {
    const listen = kind === 'unix' ? '{folder}/www.sock' : `127.0.0.1:${await freePort()}`;
    const tsfpm = await start(t, { pools: { www: { listen, 'pm.max_children': 4 } } });
    const before = processesOf(tsfpm, 'www');
    const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=20', keepAlive, seconds: 4 });
    if (keepAlive) await until('there is a keeper', () => tsfpm.keepers().length > 0);
    for (let i = 0; i < 8; i++) {
      await reload(tsfpm, undefined, { signal: i % 2 === 0 ? 'SIGUSR2' : 'SIGHUP' });
      await sleep(150);
    }
    const result = await load;
    assert.equal(result.failed, 0, JSON.stringify(result.failures));
    assert.ok(result.ok > 200, `${result.ok} requests`);
    assert.equal(result.reconnects, 0);
    assert.ok(result.latencyUs.max < 1_000_000, `slowest ${result.latencyUs.max} µs`);
    await untilRenewed(tsfpm, 'www', before, 4);
  });

test('a pool of a single worker reloads without a gap', async (t) => {
  const tsfpm = await start(t, { pools: { www: { 'pm.max_children': 1 } } });
  const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=20', connections: 1, seconds: 2 });
  for (let i = 0; i < 4; i++) {
    await sleep(100);
    await reload(tsfpm);
  }
  const { failed, failures, latencyUs } = await load;
  assert.equal(failed, 0, JSON.stringify(failures));
  assert.ok(latencyUs.max < 500_000, `slowest ${latencyUs.max} µs`);
});

test('a reload brings a new zygote, new workers and a fresh opcache in the same master', async (t) => {
  const tsfpm = await start(t, { pools: { www: { ...OPCACHE, 'pm.max_children': 1 } } });
  const hits = async () => (await tsfpm.getJson<{ hits: number | null }>('fresh.php')).hits;
  const { pid } = tsfpm;
  const before = processesOf(tsfpm, 'www');
  assert.deepEqual([await hits(), await hits()], [0, 1]);
  assert.match(await reloadByCommand(tsfpm), /reloaded; pools renewed: www\n/);
  await untilRenewed(tsfpm, 'www', before, 1);
  assert.equal(await hits(), 0);
  assert.equal(tsfpm.pid, pid);
});

test('what the file says anew is in force', async (t) => {
  const pieces = (settings: Settings): Pieces => ({
    pools: { www: { 'pm.max_children': 1, ...settings } },
    files: {
      'one.ini': `${PHP_INI_START}precision = 11\n`,
      'two.ini': `${PHP_INI_START}precision = 12\n`,
    },
  });
  const old = pieces({
    php_ini: '{folder}/www/one.ini',
    'php_admin_value[user_agent]': 'old',
    'env[COLOUR]': 'red',
  });
  const tsfpm = await start(t, { ...old, files: { ...files, ...old.files } });
  // An idle worker of the old generation may take one more request before it hears that it is to leave.
  const untilTold = (...expected: unknown[]) =>
    until(`scripts see ${expected}`, async () =>
      isDeepStrictEqual((await tsfpm.getJson<unknown[]>('who.php')).slice(0, 3), expected),
    );
  await untilTold('11', 'old', 'red');
  await reload(
    tsfpm,
    pieces({
      php_ini: '{folder}/www/two.ini',
      'php_admin_value[user_agent]': 'new',
      'env[COLOUR]': 'blue',
      ...DYNAMIC,
    }),
  );
  await untilTold('12', 'new', 'blue');
  await until('the workers of dynamic', () => tsfpm.workers().length === 2);
  await reload(tsfpm, pieces({ 'pm.max_children': 5, php_ini: '{folder}/www/one.ini' }));
  await tsfpm.untilWorkers(5);
  await untilTold('11', '', false);
  await reload(tsfpm, old);
  await untilTold('11', 'old', 'red');
  // The thread that watches for clients of a dynamic pool stays.
  await tsfpm.settle();
});

test('a pool gets another user', { skip: unlessRoot }, async (t) => {
  const tsfpm = await start(t);
  const uid = async () => (await tsfpm.getJson<unknown[]>('who.php')).at(-1);
  const before = await uid();
  await reload(tsfpm, { pools: { www: { user: 'nobody', group: 'nogroup' } } });
  assert.notEqual(await uid(), before);
  assert.notEqual(await uid(), 0);
});

test('a pool moves to another address, and the old one is gone', async (t) => {
  const tsfpm = await start(t);
  await reload(tsfpm, { pools: { www: { listen: '{folder}/moved.sock' } } });
  assert.equal(existsSync(tsfpm.folder.at('www.sock')), false);
  await tsfpm.get('pid.php', { pool: 'moved' });
  await reload(tsfpm, { pools: { www: { listen: `127.0.0.1:${await freePort()}` } } });
  assert.equal(existsSync(tsfpm.folder.at('moved.sock')), false);
  await reload(tsfpm, { pools: { www: {} } });
  await tsfpm.get('pid.php');
});

test('two pools exchange their addresses', async (t) => {
  const settings = (listen: string, name: string) => ({
    listen: `{folder}/${listen}.sock`,
    'env[COLOUR]': name,
  });
  const tsfpm = await start(t, { pools: { a: settings('a', 'a'), b: settings('b', 'b') } });
  const servedBy = async (address: string) =>
    (await tsfpm.getJson<unknown[]>('who.php', { pool: address }))[2];
  await reload(tsfpm, { pools: { a: settings('b', 'a'), b: settings('a', 'b') } });
  // Until the old generations have drained, either may answer.
  await until('a single generation of each', () =>
    [zygotesOf(tsfpm, 'a'), zygotesOf(tsfpm, 'b')].every((pids) => pids.length === 1),
  );
  assert.deepEqual([await servedBy('a'), await servedBy('b')], ['b', 'a']);
});

test('pools are added and removed, and a renamed one keeps its socket', async (t) => {
  const tsfpm = await start(t, { pools: { www: {}, old: { listen: '{folder}/kept.sock' } } });
  const [www] = zygotesOf(tsfpm, 'www');
  const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=20', pool: 'old', seconds: 3 });
  await sleep(300);
  const line = await reloadByCommand(tsfpm, {
    pools: { www: {}, new: { listen: '{folder}/kept.sock' }, more: {} },
  });
  assert.match(line, /pools renewed: www; added: new, more; removed: old\n/);
  await tsfpm.get('pid.php', { pool: 'more' });
  await until('the old pool has ended', () => processesOf(tsfpm, 'old').length === 0);
  assert.ok(zygotesOf(tsfpm, 'www')[0] !== www);
  const result = await load;
  assert.equal(result.failed, 0, JSON.stringify(result.failures));
  await reload(tsfpm, { pools: { www: {}, old: { listen: '{folder}/kept.sock' } } });
  assert.equal(existsSync(tsfpm.folder.at('more.sock')), false);
  await assert.rejects(tsfpm.get('pid.php', { pool: 'more' }), /ENOENT|ECONNREFUSED/);
  await until(
    'they have ended',
    () => [...processesOf(tsfpm, 'new'), ...processesOf(tsfpm, 'more')].length === 0,
  );
});

test('a long request of the old generation finishes while the new one serves', async (t) => {
  const tsfpm = await start(t);
  const [old] = zygotesOf(tsfpm, 'www');
  const { outcome } = await begin(tsfpm, 2500);
  await reload(tsfpm);
  const from = performance.now();
  for (let i = 0; i < 5; i++) await tsfpm.get('pid.php');
  assert.ok(performance.now() - from < 1000);
  assert.ok(zygotesOf(tsfpm, 'www').includes(old ?? 0), 'the old one is still there');
  assert.equal(await outcome, ANSWERED);
  await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
});

test('process_control_timeout bounds a drained worker’s life, and 0 does not', async (t) => {
  const bounded: Pieces = { global: { process_control_timeout: 1 } };
  const tsfpm = await start(t, bounded);
  const cut = await begin(tsfpm, 20_000);
  const from = performance.now();
  await reload(tsfpm);
  await tsfpm.expectLog(
    /WARNING: \[pool www\] 1 child\(ren\) of the old generation still busy after 1 s; killing/,
  );
  assert.equal(await cut.outcome, CUT_OFF);
  const tookMs = performance.now() - from;
  assert.ok(tookMs > 900 && tookMs < 6000, `${tookMs} ms`);
  await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
});

test('process_control_timeout bounds the workers of a removed pool, too', async (t) => {
  const global = { process_control_timeout: 1 };
  const tsfpm = await start(t, { global, pools: { www: {}, gone: {} } });
  const cut = await begin(tsfpm, 20_000, 'gone');
  await reload(tsfpm, { global, pools: { www: {} } });
  tsfpm.announce(/\[pool gone\] 1 child\(ren\) of the old generation/);
  assert.equal(await cut.outcome, CUT_OFF);
  await until('it has ended', () => processesOf(tsfpm, 'gone').length === 0);
  await reload(tsfpm, { global, pools: { www: {}, gone: {} } });
});

test('a script of a removed pool asks for its status, and nothing breaks by that', async (t) => {
  const pools = { www: { 'pm.max_children': 1 }, gone: { 'pm.max_children': 1 } };
  const late = `${SLOW_PHP}\n$status = fpm_get_status(); echo ' ', $status['listen-queue'], $status['pool'];`;
  const tsfpm = await start(t, { files: { ...files, 'slow.php': late }, pools });
  const { outcome } = await begin(tsfpm, 500, 'gone');
  await reload(tsfpm, { pools: { www: pools.www } });
  const zygotes = zygotesOf(tsfpm, 'www');
  assert.match(await outcome, /^slept [0-9]+ 0gone$/);
  await until('the pool has ended', () => processesOf(tsfpm, 'gone').length === 0);
  assert.deepEqual(zygotesOf(tsfpm, 'www'), zygotes.slice(-1));
  await reload(tsfpm, { pools });
});

test('a static pool reloads though process.max allows no more than its workers', async (t) => {
  const tsfpm = await start(t, { global: { 'process.max': 3 }, pools: { www: { 'pm.max_children': 3 } } });
  const before = processesOf(tsfpm, 'www');
  await reload(tsfpm);
  await untilRenewed(tsfpm, 'www', before, 3);
});

test('dynamic, cold ondemand and warm ondemand reload under load', async (t) => {
  const pools = { dyn: { ...DYNAMIC, 'pm.max_children': 6 }, cold: ONDEMAND, warm: ONDEMAND };
  const tsfpm = await start(t, { pools });
  const loads = ['dyn', 'warm'].map((pool) =>
    closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=20', pool, connections: 2, seconds: 4 }),
  );
  await sleep(300);
  const before = [...processesOf(tsfpm, 'dyn'), ...processesOf(tsfpm, 'warm')];
  for (let i = 0; i < 3; i++) {
    await reload(tsfpm);
    await sleep(300);
  }
  assert.deepEqual(processesOf(tsfpm, 'cold'), []);
  for (const result of await Promise.all(loads))
    assert.equal(result.failed, 0, JSON.stringify(result.failures));
  const after = [...processesOf(tsfpm, 'dyn'), ...processesOf(tsfpm, 'warm')];
  assert.ok(!before.some((pid) => after.includes(pid)));
  await tsfpm.get('pid.php', { pool: 'cold' });
});

test('a client of a cold ondemand pool that comes during reloads is served, by one generation', async (t) => {
  const pools = { cold: { ...ONDEMAND, 'env[COLOUR]': 'red' } };
  const tsfpm = await start(t, { pools });
  for (let round = 0; round < 4; round++) {
    const answer = tsfpm.get('pid.php');
    await sleep(round * 15);
    const colour = `colour-${round}`;
    await reload(tsfpm, { pools: { cold: { ...ONDEMAND, 'env[COLOUR]': colour } } });
    await answer;
    await until('one zygote at most', () => zygotesOf(tsfpm, 'cold').length <= 1);
    assert.equal((await tsfpm.getJson<unknown[]>('who.php'))[2], colour);
    await reload(tsfpm, { pools: { cold: { ...ONDEMAND, 'pm.process_idle_timeout': '1s' } } });
  }
});

test('reload_unchanged = no keeps unchanged pools, and renews one whose php.ini was touched', async (t) => {
  const pieces = (more: Settings = {}): Pieces => ({
    global: { reload_unchanged: 'no' },
    pools: { www: { php_ini: '{folder}/www/php.ini' }, shop: more },
  });
  const tsfpm = await start(t, {
    ...pieces(),
    files: { ...files, 'php.ini': `${PHP_INI_START}precision = 11\n` },
  });
  const [www, shop] = [processesOf(tsfpm, 'www'), processesOf(tsfpm, 'shop')];
  assert.match(await reloadByCommand(tsfpm), /pools unchanged: www, shop\n/);
  assert.deepEqual([processesOf(tsfpm, 'www'), processesOf(tsfpm, 'shop')], [www, shop]);
  tsfpm.folder.writeScript('php.ini', `${PHP_INI_START}precision = 9\n`);
  assert.match(await reloadByCommand(tsfpm), /pools renewed: www; unchanged: shop\n/);
  await untilRenewed(tsfpm, 'www', www, 2);
  assert.equal((await tsfpm.getJson<unknown[]>('who.php'))[0], '9');
  assert.deepEqual(processesOf(tsfpm, 'shop'), shop);
  assert.match(
    await reloadByCommand(tsfpm, pieces({ 'env[COLOUR]': 'blue' })),
    /pools renewed: shop; unchanged: www\n/,
  );
});

test('a pool with listen.allowed_clients reloads: the master’s own question is not refused', async (t) => {
  const www = { listen: `127.0.0.1:${await freePort()}`, 'listen.allowed_clients': '127.0.0.1' };
  const tsfpm = await start(t, { pools: { www } });
  assert.match(await reloadByCommand(tsfpm), /pools renewed: www\n/);
  await tsfpm.get('pid.php');
});

test('a reload that is asked for during a reload follows it: the last file is in force', async (t) => {
  const tsfpm = await start(t);
  const pieces = (colour: string): Pieces => ({ pools: { www: { 'env[COLOUR]': colour } } });
  tsfpm.folder.writePieces(pieces('red'));
  tsfpm.signal('SIGUSR2');
  await tsfpm.expectLog(/Reloading in progress/);
  tsfpm.folder.writePieces(pieces('green'));
  tsfpm.signal('SIGUSR2');
  tsfpm.signal('SIGHUP');
  await tsfpm.log.expect(/ready to handle connections\n[\s\S]*ready to handle connections\n/);
  await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
  assert.equal((await tsfpm.getJson<unknown[]>('who.php'))[2], 'green');
});

test('a reload that is asked for during the start is done after it', async (t) => {
  const tsfpm = await start(t);
  await tsfpm.stop();
  const started = tsfpm.start();
  for (let i = 0; i < 20; i++) {
    await sleep(20);
    // Before the master has taken signals in hand it would end by this one.
    if (processesOf(tsfpm, 'www').length > 0 || zygotesStarting(tsfpm)) break;
  }
  tsfpm.signal('SIGHUP');
  await started;
  await tsfpm.expectLog(RELOADED);
  await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
  // The harness has counted in the middle of it.
  await tsfpm.settle();
});

/** The zygote's process is there, under whatever name. */
function zygotesStarting(tsfpm: Daemon): boolean {
  return tsfpm.family().length > 0;
}

test('an address that is not let go of is not given away', async (t) => {
  const tsfpm = await start(t, { pools: { a: {}, b: {} } });
  const broken = { listen: '{folder}/c.sock', php_cgi: '{folder}/missing' };
  const line = await reload(
    tsfpm,
    { pools: { a: broken, b: { listen: '{folder}/a.sock' } } },
    { outcome: INCOMPLETE },
  );
  tsfpm.announce(/\[pool [ab]\] /);
  assert.match(line, /not in force: pool a, pool b/);
  for (const pool of ['a', 'b']) await tsfpm.get('pid.php', { pool });
});

test('a kept-alive connection that is busy is served to the end of its request, and stays open', async (t) => {
  const tsfpm = await start(t);
  const connection = await FastcgiConnection.open(tsfpm.address());
  t.after(() => connection.close());
  const answer = connection.request({
    params: scriptParams(tsfpm.folder.script('sleep.php'), { QUERY_STRING: 'ms=1200' }),
    keepConn: true,
  });
  await sleep(200);
  await reload(tsfpm);
  assert.match((await answer).body.toString(), /^slept /);
  await until('one zygote', () => zygotesOf(tsfpm, 'www').length === 1);
  assert.equal(connection.isClosed, false);
});
