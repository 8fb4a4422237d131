import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { userById } from '../../src/os/accounts.js';
import { runIn } from '../helpers/daemon.js';
import { isRoot, type Settings, unlessRoot } from '../helpers/daemon-folder.js';
import {
  asOrdinaryUser,
  ORDINARY_USER,
  ordinaryFolder,
  unlessOrdinary as skip,
  startAsOrdinaryUser,
} from '../helpers/ordinary-user.js';
import { IDENTITY_PHP } from '../helpers/probes.js';
import { reload } from '../helpers/reload.js';

const files = {
  'id.php': IDENTITY_PHP,
  'home.php': '<?php echo json_encode([getenv("USER"), getenv("HOME"), getcwd()]);',
};

test('an ordinary user’s master says what it ignores, and does the rest', { skip }, async (t) => {
  const tsfpm = await startAsOrdinaryUser(t, {
    global: { 'process.priority': -3 },
    pools: {
      www: {
        user: 'www-data',
        group: 'no-such-group',
        chroot: '{folder}/www',
        chdir: '/',
        'process.priority': -5,
        'process.dumpable': 'yes',
        rlimit_files: 77,
        'pm.max_children': 1,
        'pm.status_path': '/status',
        'ping.path': '/ping',
      },
      shop: {
        user: undefined,
        pm: 'dynamic',
        'pm.min_spare_servers': 1,
        'pm.max_spare_servers': 1,
        'pm.max_children': 2,
      },
      quiet: { user: undefined, pm: 'ondemand', 'pm.max_children': 1 },
    },
    files,
  });
  const because = 'directive is ignored when FPM is not running as root';
  const notices = tsfpm.log.lines.filter((line) => line.includes(because));
  assert.deepEqual(
    notices.map((line) => line.replace(/^.*NOTICE: /, '')),
    [
      `'process.priority' ${because}`,
      `[pool www] 'user' ${because}`,
      `[pool www] 'group' ${because}`,
      `[pool www] 'chroot' ${because}`,
      `[pool www] 'process.priority' ${because}`,
    ],
  );
  // By the path outside: there is no jail.
  const { uid, gid, groups, pid } = await tsfpm.getJson<{
    uid: number[];
    gid: number[];
    groups: number[];
    pid: number;
  }>('id.php');
  const account = userById(uid[0] ?? 0);
  if (isRoot) assert.deepEqual([account?.name, gid[0], groups], [ORDINARY_USER, account?.gid, []]);
  assert.deepEqual(await tsfpm.getJson('home.php'), [account?.name, account?.home, tsfpm.folder.at('www')]);
  assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max open files +77 +77 /m);
  for (const pool of ['shop', 'quiet']) await tsfpm.get('id.php', { pool });
  const page = (path: string) => tsfpm.get('x', { params: { SCRIPT_NAME: path, SCRIPT_FILENAME: path } });
  assert.equal(await page('/ping'), 'pong');
  assert.match(await page('/status'), /^pool: +www$/m);
  assert.equal(statSync(tsfpm.folder.at('www.sock')).uid, account?.uid);
  await reload(tsfpm);
  const [program, ...words] = asOrdinaryUser();
  const status = spawnSync(program, [...words, 'status', '--config', tsfpm.folder.configFile], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(status.status, 0, status.stderr);
  assert.match(status.stdout, /^www +static /m);
  for (const pool of ['www', 'shop', 'quiet']) await tsfpm.get('id.php', { pool });
});

test('an ordinary user may put others on the access list of its socket', {
  skip: skip || unlessRoot,
}, async (t) => {
  const tsfpm = await startAsOrdinaryUser(t, {
    pools: { www: { user: undefined, 'listen.mode': '0600', 'listen.acl_users': 'games' } },
    files,
  });
  assert.equal(statSync(tsfpm.folder.at('www.sock')).mode & 0o777, 0o660);
});

const REFUSALS: readonly [string, Settings, Settings, RegExp][] = [
  [
    'another owner for its socket',
    {},
    { 'listen.owner': 'games' },
    /ERROR: \[pool www\] failed to chown\(\) the socket '.*\/www\.sock': Operation not permitted \(1\)\n/,
  ],
  [
    'a port that needs root',
    {},
    { listen: '127.0.0.1:443' },
    /ERROR: unable to bind listening socket for address '127\.0\.0\.1:443': Permission denied \(13\)\n/,
  ],
  [
    'more descriptors than it may have',
    { rlimit_files: 2 ** 31 - 1 },
    {},
    /ERROR: failed to set rlimit_files for this pool\. Please check your system limits or decrease rlimit_files\. setrlimit\(RLIMIT_NOFILE, 2147483647\): Operation not permitted \(1\)\n/,
  ],
  [
    'a log in a folder of root’s',
    { error_log: '/etc/tsfpm-test.log' },
    {},
    /ERROR: failed to open error_log \(\/etc\/tsfpm-test\.log\): Permission denied \(13\)\n/,
  ],
  [
    'a pid file in a folder of root’s',
    { pid: '/etc/tsfpm-test.pid' },
    {},
    /ERROR: Unable to create the PID file \(\/etc\/tsfpm-test\.pid\)\.: Permission denied \(13\)\n/,
  ],
];
const firstOpenPort = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
for (const [what, global, pool, message] of REFUSALS) {
  const isAllowedHere =
    what.includes('port') && firstOpenPort <= 443 && 'this system lets everybody use that port';
  test(`an ordinary user is refused ${what}`, { skip: skip || isAllowedHere }, async (t) => {
    const options = { global, pools: { www: { user: undefined, ...pool } }, command: asOrdinaryUser() };
    const folder = ordinaryFolder(options);
    t.after(() => folder.remove());
    const { code, stderr } = await runIn(folder, options);
    assert.equal(code, 78, stderr);
    assert.match(stderr, message);
    assert.match(stderr, /ERROR: FPM initialization failed\n/);
    assert.equal(existsSync(folder.at('www.sock')), false);
  });
}
