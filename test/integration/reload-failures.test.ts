import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Daemon, type DaemonOptions, startTsfpm } from '../helpers/daemon.js';
import { type Pieces, type Settings, unlessRoot } from '../helpers/daemon-folder.js';
import { PHP_CGI } from '../helpers/php-programs.js';
import { freePort } from '../helpers/ports.js';
import { PID_PHP } from '../helpers/probes.js';
import {
  closedLoop,
  INCOMPLETE,
  processesOf,
  REFUSED,
  reload,
  untilRenewed,
  zygotesOf,
} from '../helpers/reload.js';
import { ONDEMAND, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { until } from '../helpers/wait.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };
const start = (t: TestContext, options: DaemonOptions = {}) => startTsfpm(t, { files, ...options });

async function askHttp(port: number, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
  return { status: response.status, text: await response.text() };
}

const lastSuccess = async (port: number) =>
  /^tsfpm_config_last_reload_successful ([01])$/m.exec((await askHttp(port, '/metrics')).text)?.[1];

test('a broken file is told in full, with file and line, and changes nothing', async (t) => {
  const port = await freePort();
  const global = { 'http.listen': `127.0.0.1:${port}` };
  const tsfpm = await start(t, { global, pools: { www: { 'pm.max_children': 4 } } });
  assert.equal(await lastSuccess(port), '1');
  const before = processesOf(tsfpm, 'www');
  const load = closedLoop(tsfpm, { script: 'sleep.php', query: 'ms=20', seconds: 2 });
  const good = readFileSync(tsfpm.folder.configFile, 'utf8');
  const lines = good.split('\n').length;
  tsfpm.folder.writeConfig(`${good}pm.max_childern = 3\npm.max_requests = many\n`);
  await reload(tsfpm, undefined, { outcome: REFUSED });
  tsfpm.announce(/tsfpm\.conf:/, /^.*ERROR: failed to .* config/);
  for (const [line, directive] of [
    [lines, 'pm.max_childern'],
    [lines + 1, 'pm.max_requests'],
  ] as const) {
    const told = tsfpm.log.lines.find((text) => text.includes(`tsfpm.conf:${line}]`));
    assert.ok(told !== undefined, `line ${line}: ${tsfpm.log.text}`);
    if (line === lines) assert.ok(told.includes(directive), told);
  }
  assert.equal((await askHttp(port, '/ready')).status, 200);
  assert.equal(await lastSuccess(port), '0');
  assert.equal((await load).failed, 0);
  assert.deepEqual(processesOf(tsfpm, 'www'), before);
  tsfpm.folder.writeConfig(good);
  await reload(tsfpm);
  assert.equal(await lastSuccess(port), '1');
  await untilRenewed(tsfpm, 'www', before, 4);
});

test('a file that is gone changes nothing', async (t) => {
  const tsfpm = await start(t);
  const good = readFileSync(tsfpm.folder.configFile, 'utf8');
  const before = processesOf(tsfpm, 'www');
  tsfpm.folder.writeConfig('');
  await reload(tsfpm, undefined, { outcome: REFUSED });
  tsfpm.announce(/ERROR: /, /ALERT: /);
  assert.deepEqual(processesOf(tsfpm, 'www'), before);
  tsfpm.folder.writeConfig(good);
  await reload(tsfpm);
});

const script = (text: string) => `#!/bin/sh\n${text}\n`;
/** What is wrong with the new generation of pool `bad`, and what the log says of it. */
const FAULTS: readonly (readonly [string, Settings, RegExp, skip?: string | false])[] = [
  ['a missing binary', { php_cgi: '{folder}/missing' }, /php-cgi '.*missing' cannot be used: No such file/],
  [
    'a binary that may not be run',
    { php_cgi: '{folder}/www/pid.php' },
    /php-cgi '.*pid\.php' cannot be used: /,
  ],
  [
    'a php-cgi that ends at its start',
    { php_cgi: '{folder}/www/ends' },
    /exited with code 9 before it was ready; its last words: "no memory, sorry"/,
  ],
  [
    'a php-cgi that crashes at its start',
    { php_cgi: '{folder}/www/crashes' },
    /exited on signal 11 \(SIGSEGV\) before it was ready/,
  ],
  [
    'an opcache.preload that fails',
    { 'php_admin_value[opcache.enable]': 1, 'php_admin_value[opcache.preload]': '{folder}/www/missing.php' },
    /exited .* before it was ready|its first worker does not answer/,
  ],
  // The pool's own descriptors are more than that: its first worker cannot accept.
  ['workers that cannot accept', { rlimit_files: 3 }, /its first worker does not answer: /],
  ['an unknown user', { user: 'no-such-user' }, /cannot get uid for user 'no-such-user'/, unlessRoot],
  ['an unknown group', { group: 'no-such-group' }, /cannot get gid for group 'no-such-group'/, unlessRoot],
];

const FAULTY_FILES = {
  ends: script(`case "$*" in *-v*) exec ${PHP_CGI} "$@";; esac\necho "no memory, sorry" >&2\nexit 9`),
  crashes: script(`case "$*" in *-v*) exec ${PHP_CGI} "$@";; esac\nulimit -c 0\nkill -SEGV $$\nsleep 5`),
};

for (const [name, fault, told, skip = false] of FAULTS)
  test(`with ${name} that pool keeps its old generation, and the others reload`, { skip }, async (t) => {
    const tsfpm = await start(t, { pools: { good: {}, bad: {} }, files: { ...files, ...FAULTY_FILES } });
    const [good, bad] = [processesOf(tsfpm, 'good'), processesOf(tsfpm, 'bad')];
    tsfpm.announce(/\[pool bad\] /);
    const line = await reload(tsfpm, { pools: { good: {}, bad: fault } }, { outcome: INCOMPLETE });
    assert.match(line, /pools renewed: good; not in force: pool bad/);
    assert.match(
      tsfpm.log.text,
      new RegExp(`\\[pool bad\\] .*(?:${told.source}).*; it keeps its old generation\\n`),
    );
    await untilRenewed(tsfpm, 'good', good, 2);
    assert.deepEqual(processesOf(tsfpm, 'bad'), bad);
    for (const pool of ['good', 'bad']) await tsfpm.get('pid.php', { pool });
    await reload(tsfpm, { pools: { good: {}, bad: {} } });
    await untilRenewed(tsfpm, 'bad', bad, 2);
  });

test('an address in use leaves that pool where it is, and a new pool out', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const listen = `127.0.0.1:${(taken.address() as { port: number }).port}`;
  const tsfpm = await start(t, { pools: { good: {}, bad: {} } });
  tsfpm.announce(/\[pool bad\] /, /Address already in use/);
  const line = await reload(tsfpm, { pools: { good: {}, bad: { listen } } }, { outcome: INCOMPLETE });
  assert.match(line, /pools renewed: good; not in force: pool bad/);
  assert.match(tsfpm.log.text, /Address already in use \(98\); it keeps its old generation\n/);
  await tsfpm.get('pid.php', { pool: 'bad' });
  tsfpm.announce(/\[pool more\] /);
  await reload(tsfpm, { pools: { good: {}, bad: {}, more: { listen } } }, { outcome: INCOMPLETE });
  assert.match(tsfpm.log.text, /\[pool more\] .*; it is left out\n/);
  assert.deepEqual(zygotesOf(tsfpm, 'more'), []);
  await reload(tsfpm, { pools: { good: {}, bad: {} } });
});

test('a pm.status_listen that cannot be opened is told, and the pool reloads all the same', async (t) => {
  const tsfpm = await start(t);
  tsfpm.announce(/\[pool www_status\]|\[pool www\]|status_listen/);
  const bad: Pieces = {
    pools: { www: { 'pm.status_path': '/s', 'pm.status_listen': '{folder}/missing/s.sock' } },
  };
  await reload(tsfpm, bad, { outcome: INCOMPLETE });
  await tsfpm.get('pid.php');
  await reload(tsfpm, { pools: { www: {} } });
});

test('a cold ondemand pool with a missing binary keeps the binary it had', async (t) => {
  const tsfpm = await start(t, { pools: { cold: ONDEMAND, www: {} } });
  tsfpm.announce(/\[pool cold\] /);
  await reload(
    tsfpm,
    { pools: { cold: { ...ONDEMAND, php_cgi: '{folder}/missing' }, www: {} } },
    { outcome: INCOMPLETE },
  );
  await tsfpm.get('pid.php', { pool: 'cold' });
});

for (const [signal, word] of [
  ['SIGTERM', /Terminating/],
  ['SIGINT', /Terminating/],
  ['SIGQUIT', /Finishing/],
] as const)
  test(`${signal} in the middle of a reload ends everything, what is being added too`, async (t) => {
    const pools = { www: {}, cold: ONDEMAND };
    const tsfpm = await start(t, {
      pools,
      files: { ...files, slow: script(`case "$*" in *-v*) ;; *) sleep 1;; esac\nexec ${PHP_CGI} "$@"`) },
    });
    const port = await freePort();
    tsfpm.folder.writePieces({
      global: { 'http.listen': `127.0.0.1:${port}`, pid: '{folder}/other.pid' },
      pools: { ...pools, www: { php_cgi: '{folder}/www/slow' }, more: { php_cgi: '{folder}/www/slow' } },
    });
    for (const delayMs of [0]) {
      tsfpm.signal('SIGUSR2');
      await tsfpm.expectLog(/Reloading in progress/);
      await until('the new zygotes start', () => tsfpm.family().some(({ title }) => /slow/.test(title)));
      tsfpm.announce(/ERROR: reload given up: the master is stopping/);
      const from = performance.now();
      assert.deepEqual(await tsfpm.stop(signal), { code: 0, signal: null }, `after ${delayMs} ms`);
      assert.ok(performance.now() - from < 4000);
    }
    assert.match(tsfpm.log.text, word);
    assert.match(tsfpm.log.text, /exiting, bye-bye!\n$/);
    assert.deepEqual(tsfpm.family(), []);
    for (const name of ['www.sock', 'cold.sock', 'more.sock', 'tsfpm.pid', 'other.pid'])
      assert.equal(existsSync(tsfpm.folder.at(name)), false, name);
  });

test('error_log, pid and log_level move at a reload', async (t) => {
  const tsfpm = await start(t, { arguments: [], logTo: 'file' });
  const other: Pieces = {
    global: { error_log: '{folder}/other.log', pid: '{folder}/other.pid', log_level: 'debug' },
  };
  tsfpm.folder.writePieces(other);
  tsfpm.signal('SIGUSR2');
  const text = () =>
    existsSync(tsfpm.folder.at('other.log')) ? readFileSync(tsfpm.folder.at('other.log'), 'utf8') : '';
  await until('the new log has the end of the reload', () => /ready to handle connections/.test(text()));
  assert.equal(existsSync(tsfpm.folder.at('tsfpm.pid')), false);
  assert.equal(readFileSync(tsfpm.folder.at('other.pid'), 'utf8').trim(), String(tsfpm.pid));
  assert.match(tsfpm.log.text, /Reloading in progress/);
  tsfpm.signal('SIGUSR1');
  await until('debug', () => /DEBUG: .*received SIGUSR1/.test(text()));
  await reloadBack(tsfpm);
});

test('an error_log that cannot be opened at a reload leaves the old one in use', async (t) => {
  const tsfpm = await start(t, { arguments: [], logTo: 'file' });
  tsfpm.announce(/failed to open error_log/);
  const line = await reload(
    tsfpm,
    { global: { error_log: '{folder}/missing/error.log' } },
    { outcome: INCOMPLETE },
  );
  assert.match(line, /not in force: error_log/);
  await tsfpm.get('pid.php');
});

async function reloadBack(tsfpm: Daemon): Promise<void> {
  tsfpm.folder.writePieces({});
  tsfpm.signal('SIGUSR2');
  await until('the pid file is back', () => existsSync(tsfpm.folder.at('tsfpm.pid')));
  await tsfpm.log.expect(/ready to handle connections\n[\s\S]*ready to handle connections\n/);
}
