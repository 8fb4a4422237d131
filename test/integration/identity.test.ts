import assert from 'node:assert/strict';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { groupByName, userByName } from '../../src/os/accounts.js';
import { type Daemon, startTsfpm, TSFPM } from '../helpers/daemon.js';
import { unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { ENVIRONMENT_PHP, IDENTITY_PHP } from '../helpers/probes.js';

const user = userByName(WORKER_USER) ?? assert.fail(`no user ${WORKER_USER}`);
const daemonGroup = groupByName('daemon') ?? assert.fail('no group daemon');
const files = {
  'identity.php': IDENTITY_PHP,
  'umask.php': '<?php printf("%04o", umask());',
  'cwd.php': '<?php echo getcwd();',
  'env.php': ENVIRONMENT_PHP,
};

function statusOf(pid: number, name: string): string[] {
  const line = new RegExp(`^${name}:\\t(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return line?.[1]?.trim().split(/\s+/) ?? assert.fail(`no ${name}`);
}

/** Soft and hard. */
function limitOf(pid: number, name: string): string[] {
  const line = new RegExp(`^Max ${name} +([0-9a-z]+) +([0-9a-z]+)`, 'm').exec(
    readFileSync(`/proc/${pid}/limits`, 'utf8'),
  );
  return line?.slice(1) ?? assert.fail(`no limit of ${name}`);
}

async function workerOf(tsfpm: Daemon, pool: string): Promise<number> {
  const [pid = 0] = await tsfpm.untilWorkers(undefined, pool);
  return pid;
}

test('every pool’s workers are whom it says, with the limits that it says', {
  skip: unlessRoot,
}, async (t) => {
  const one = { 'pm.max_children': 1 };
  const tsfpm = await startTsfpm(t, {
    pools: {
      named: {
        ...one,
        group: 'daemon',
        'process.priority': 7,
        'process.dumpable': 'yes',
        rlimit_files: 333,
        rlimit_core: 0,
        chdir: '{folder}/www',
      },
      numbered: { ...one, user: user.uid, group: 64_998, rlimit_core: 4096, rlimit_files: 0 },
    },
    files,
  });
  const [named, numbered] = [await workerOf(tsfpm, 'named'), await workerOf(tsfpm, 'numbered')];
  for (const [pid, gid] of [
    [named, daemonGroup.gid],
    [numbered, 64_998],
  ] as const) {
    assert.deepEqual(statusOf(pid, 'Uid'), Array(4).fill(String(user.uid)));
    assert.deepEqual(statusOf(pid, 'Gid'), Array(4).fill(String(gid)));
    // The group of `group`, and those that the user is a member of: not its primary one.
    assert.deepEqual(statusOf(pid, 'Groups'), [String(gid)]);
    for (const set of ['CapPrm', 'CapEff', 'CapAmb'])
      assert.deepEqual(statusOf(pid, set), ['0000000000000000'], set);
  }
  assert.deepEqual([getPriority(named), getPriority(numbered)], [7, getPriority(0)]);
  assert.deepEqual(limitOf(named, 'open files'), ['333', '333']);
  assert.deepEqual(limitOf(numbered, 'core file size'), ['4096', '4096']);
  // The kernel gives the files of a dumpable process to its user, the others to root.
  assert.deepEqual(
    [named, numbered].map((pid) => statSync(`/proc/${pid}/io`).uid),
    [user.uid, 0],
  );
  assert.equal(readlinkSync(`/proc/${named}/cwd`), tsfpm.folder.at('www'));
  assert.equal(readlinkSync(`/proc/${numbered}/cwd`), tsfpm.folder.path);
  const seen = await tsfpm.getJson<{ uid: number[]; groups: number[] }>('identity.php', { pool: 'numbered' });
  assert.deepEqual([seen.uid, seen.groups], [[user.uid, user.uid], [64_998]]);
});

test('workers have the umask that tsfpm was started with', async (t) => {
  const tsfpm = await startTsfpm(t, {
    command: ['sh', '-c', 'umask 0027; exec "$@"', 'sh', process.execPath, TSFPM],
    files,
  });
  assert.equal(await tsfpm.get('umask.php'), '0027');
  // While the sockets were bound it was another.
  assert.equal(statSync(tsfpm.folder.at('www.sock')).mode & 0o777, 0o666);
});

test('workers have the soft limit of descriptors that tsfpm was started with, which Node raises', async (t) => {
  const tsfpm = await startTsfpm(t, {
    command: ['sh', '-c', 'ulimit -Sn 300; exec "$0" "$@"', TSFPM],
    pools: { www: { clear_env: 'no' } },
    files,
  });
  const [, hard = ''] = limitOf(process.pid, 'open files');
  assert.deepEqual(limitOf(tsfpm.pid, 'open files'), [hard, hard]);
  const [worker = 0] = await tsfpm.untilWorkers();
  assert.deepEqual(limitOf(worker, 'open files'), ['300', hard]);
  const { getenv, shell } = await tsfpm.getJson<{ getenv: object; shell: string }>('env.php');
  assert.doesNotMatch(JSON.stringify(getenv) + shell, /TSFPM_/);
});

test('the global rlimit_files takes the place of that limit', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { rlimit_files: 600 },
    command: ['sh', '-c', 'ulimit -Sn 300; exec "$0" "$@"', TSFPM],
    files,
  });
  const [worker = 0] = await tsfpm.untilWorkers();
  assert.deepEqual(limitOf(worker, 'open files'), ['600', '600']);
});
