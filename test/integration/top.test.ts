import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, startTsfpm, TSFPM } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess } from '../helpers/processes.js';
import { SLEEP_PHP, sleepRequest } from '../helpers/scaling-pools.js';
import { TextWatch } from '../helpers/text-watch.js';
import { until } from '../helpers/wait.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };
const POOLS = { www: { 'pm.max_children': 2 }, shop: { 'pm.max_children': 1 } };
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOSTILE_URI = '/\x1b]0;owned\x07\n<script>';

const topArguments = (tsfpm: Daemon) => [
  TSFPM,
  'top',
  '--config',
  tsfpm.folder.configFile,
  '--interval',
  '0.3',
];

const once = (tsfpm: Daemon, ...more: string[]) =>
  tsfpmCommand(tsfpm, 'top', '--interval', '0.3', '--once', ...more);

/** `tsfpm top` in a terminal of its own, which util-linux makes; 80 by 24. */
function inTerminal(t: TestContext, tsfpm: Daemon) {
  const quoted = [process.execPath, ...topArguments(tsfpm)].map((word) => `'${word}'`).join(' ');
  const child = spawn(
    'script',
    ['-qec', `stty cols 80 rows 24; ${quoted}; echo "code $?"; stty -a`, '/dev/null'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh' },
    },
  );
  t.after(() => killProcess(child.pid ?? 0));
  return {
    screen: TextWatch.ofStream('the terminal', child.stdout),
    press: (keys: string) => child.stdin.write(keys),
  };
}

test('--once tells of pools, workers and requests, for people and for programs', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: POOLS, files });
  const running = tsfpm.get('sleep.php', {
    params: { QUERY_STRING: 'ms=6000', SCRIPT_NAME: HOSTILE_URI, REQUEST_METHOD: 'GET' },
  });
  await until('it runs', async () =>
    /"state":"Running"/.test(
      (await tsfpmCommand(tsfpm, 'top', '--interval', '0.1', '--once', '--json')).stdout,
    ),
  );
  const load = (async () => {
    for (let i = 0; i < 60; i++) await sleepRequest(tsfpm, 20, 'shop');
  })();
  const { code, stdout } = await once(tsfpm, '--json');
  assert.equal(code, 0);
  const { total, pools, master } = JSON.parse(stdout);
  assert.equal(master.pid, tsfpm.pid);
  assert.deepEqual(
    pools.map(({ name }: { name: string }) => name),
    ['www', 'shop'],
  );
  const [www, shop] = pools;
  const [busy, idle] = www.workers;
  assert.deepEqual([busy.state, idle.state, busy.method], ['Running', 'Idle', 'GET']);
  assert.ok(busy.durationMs > 100 && busy.durationMs < 30_000);
  assert.ok(busy.privateBytes > 0 && busy.privateBytes < 20e6 && busy.cpuPercent >= 0);
  assert.ok(shop.requestsPerS > 0 && total.requestsPerS >= shop.requestsPerS);
  assert.ok(shop.p50Ms >= 10 && shop.p99Ms >= shop.p50Ms);

  const table = await once(tsfpm);
  assert.equal(table.code, 0);
  assert.match(table.stdout, /^POOL +BUSY +IDLE/m);
  assert.match(table.stdout, /^www +1 +1 +2 /m);
  assert.match(table.stdout, /^ +\d+ www +run .*<script>\?ms=6000$/m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  assert.doesNotMatch(table.stdout, /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
  assert.doesNotMatch((await once(tsfpm, '--pool', 'shop')).stdout, /www/);
  await Promise.all([running, load]);
});

test('who reads no further ends it, and no master is exit code 69', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: POOLS, files });
  const words = topArguments(tsfpm).map((word) => `'${word}'`);
  const piped = spawnSync('/bin/sh', ['-c', `'${process.execPath}' ${words.join(' ')} | head -n 1`], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.match(piped.stdout, /^tsfpm .*, ready/);
  assert.equal(piped.stderr, '');
  await tsfpm.stop();
  const { code, stdout } = await once(tsfpm);
  assert.equal(code, 69);
  assert.match(stdout, /no master answers at/);
});

test('in a terminal it obeys keys, survives a reload and an end of the master, and leaves all as it was', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: POOLS, files });
  const { screen, press } = inTerminal(t, tsfpm);
  await screen.expect(/3 workers busy|0 of 3 workers busy/);
  assert.ok(screen.text.includes(ENTER));
  press('/shop');
  await screen.expect(/filter: shop_/);
  press('\r');
  await screen.expect(/filter: shop\b(?!_)/);
  press('\x1b');
  press('?');
  await screen.expect(/any key goes back/);
  press('x');
  tsfpm.signal('SIGUSR2');
  await tsfpm.expectLog(/ready to handle connections[\s\S]*ready to handle connections/);
  await tsfpm.stop();
  await screen.expect(/no master answers/);
  await tsfpm.start();
  await screen.expect(new RegExp(`pid ${tsfpm.pid}, running`));
  press('q');
  await screen.expect(/code 0/);
  await until('the terminal is as before', () => / icanon .* echo /s.test(screen.text));
  assert.ok(screen.text.indexOf(LEAVE) > 0 && screen.text.indexOf(LEAVE) < screen.text.indexOf('code 0'));
});

test('a signal restores the terminal, too', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: POOLS, files });
  const { screen } = inTerminal(t, tsfpm);
  await screen.expect(/0 of 3 workers busy/);
  const viewer = await until('it is found', () =>
    spawnSync('pgrep', ['-f', `tsfpm top --config ${tsfpm.folder.configFile}`], { encoding: 'utf8' })
      .stdout.split('\n')
      .map(Number)
      .filter((pid) => pid > 0)
      .at(-1),
  );
  process.kill(viewer, 'SIGTERM');
  await screen.expect(/code 143/);
  assert.ok(screen.text.includes(LEAVE));
});
