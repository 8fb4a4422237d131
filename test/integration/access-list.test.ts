import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { type AccessEntry, readAccessList } from '../../src/os/access-list.js';
import { groupByName, userByName } from '../../src/os/accounts.js';
import { prepareFolder, runIn, startTsfpm } from '../helpers/daemon.js';
import { unlessRoot } from '../helpers/daemon-folder.js';
import { PID_PHP } from '../helpers/probes.js';

const files = { 'pid.php': PID_PHP };
const uidOf = (name: string) => userByName(name)?.uid ?? assert.fail(`no user ${name}`);
const gidOf = (name: string) => groupByName(name)?.gid ?? assert.fail(`no group ${name}`);

/** What connecting as somebody comes to. */
function connectAs(path: string, uid: number, gid: number): string {
  const code = `require('net').connect(process.argv[1]).on('connect', () => { console.log('connected'); process.exit(); })
    .on('error', ({ code }) => console.log(code));`;
  // Without supplementary groups: those of root would count.
  const ids = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  const { stdout } = spawnSync('setpriv', [...ids, process.execPath, '-e', code, path], {
    cwd: '/',
    encoding: 'utf8',
    timeout: 20_000,
  });
  return stdout.trim();
}

test('listen.acl_users and listen.acl_groups let in whom they name, and nobody else', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { log_level: 'debug' },
    pools: {
      www: {
        'listen.acl_users': 'daemon,bin,daemon',
        'listen.acl_groups': 'games',
        'listen.owner': 'nobody',
        'listen.group': 'nogroup',
        'listen.mode': '0600',
      },
    },
    files,
  });
  await tsfpm.expectLog(/DEBUG: .*\[pool www\] user 'daemon' have uid=1/);
  await tsfpm.expectLog(/WARNING: .*\[pool www\] ACL set, listen\.owner = 'nobody' is ignored/);
  await tsfpm.expectLog(/WARNING: .*\[pool www\] ACL set, listen\.group = 'nogroup' is ignored/);
  const path = tsfpm.folder.at('www.sock');
  const { uid, gid, mode } = statSync(path);
  // The mask shows as the group's rights; the owning group itself has none, by listen.mode.
  assert.deepEqual([uid, gid, mode & 0o777], [0, 0, 0o660]);
  const expected: AccessEntry[] = [
    { tag: 'owner', rights: 6 },
    { tag: 'user', rights: 6, id: uidOf('daemon') },
    { tag: 'user', rights: 6, id: uidOf('bin') },
    { tag: 'owningGroup', rights: 0 },
    { tag: 'group', rights: 6, id: gidOf('games') },
    { tag: 'mask', rights: 6 },
    { tag: 'other', rights: 0 },
  ];
  assert.deepEqual(readAccessList(path, 0), expected);
  const nogroup = gidOf('nogroup');
  assert.equal(connectAs(path, uidOf('bin'), nogroup), 'connected');
  assert.equal(connectAs(path, uidOf('nobody'), gidOf('games')), 'connected');
  assert.equal(connectAs(path, uidOf('nobody'), nogroup), 'EACCES');
  assert.match(await tsfpm.get('pid.php'), /^[0-9]+$/);
});

for (const [directive, value, message] of [
  ['listen.acl_users', 'daemon, bin', "cannot get uid for user ' bin': Success \\(0\\)"],
  ['listen.acl_users', '33', "cannot get uid for user '33': Success \\(0\\)"],
  ['listen.acl_groups', 'no-such-group', "cannot get gid for group 'no-such-group': Success \\(0\\)"],
] as const)
  test(`${directive} = ${value} is refused at the start`, { skip: unlessRoot }, async (t) => {
    const folder = prepareFolder(t, { pools: { www: { [directive]: value } } });
    const { code, stderr } = await runIn(folder);
    assert.equal(code, 78);
    assert.match(stderr, new RegExp(`ERROR: \\[pool www\\] ${message}\n`));
  });

test('on a file system without lists the start fails in the words of php-fpm', {
  skip: unlessRoot,
}, async (t) => {
  const folder = prepareFolder(t, {
    pools: { www: { listen: '{folder}/mnt/s', 'listen.acl_users': 'daemon' } },
  });
  const mnt = folder.at('mnt');
  mkdirSync(mnt);
  const mounted = spawnSync('mount', ['-t', 'ramfs', 'none', mnt], { encoding: 'utf8' });
  if (mounted.status !== 0) {
    t.skip(`no file system without lists can be mounted: ${mounted.stderr}`);
    return;
  }
  try {
    const { code, stderr } = await runIn(folder);
    assert.equal(code, 78);
    assert.match(
      stderr,
      /ERROR: \[pool www\] failed to read the ACL of the socket '.*\/mnt\/s': Operation not supported \(95\)\n/,
    );
  } finally {
    spawnSync('umount', [mnt]);
  }
});
