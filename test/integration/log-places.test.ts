import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { userByName } from '../../src/os/accounts.js';
import { tsfpmCommand } from '../helpers/command.js';
import { Daemon, type DaemonOptions, prepareFolder, runIn } from '../helpers/daemon.js';
import { DaemonFolder, unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { until } from '../helpers/wait.js';

// Logs in a folder of the pool's user, whose scripts put links to root's files in their place.

const SECRET = 'root:x:0:0\n';
const FILES = {
  'plant.php': `<?php
    chdir('../logs');
    foreach (explode(',', $_GET['names']) as $name) {
      file_exists($name) and rename($name, "$name.1");
      symlink('../secret', $name) or die('no link');
    }
    echo 'planted';`,
  'swap.php': `<?php
    chdir('..');
    rename('home/logs', 'home/aside') and symlink('../roots', 'home/logs') or die('no link');
    echo 'swapped';`,
  'slow.php': '<?php usleep(400000); echo "ok";',
};
const query = (text: string) => ({ params: { QUERY_STRING: text } });
const TENANT = userByName(WORKER_USER)?.uid ?? 0;

/** Folders of the tenant's, and files that are root's alone. */
function furnish(folder: DaemonFolder): void {
  for (const name of ['logs', 'home', 'home/logs']) {
    mkdirSync(folder.at(name));
    chownSync(folder.at(name), TENANT, TENANT);
  }
  mkdirSync(folder.at('roots'));
  for (const name of ['secret', 'roots/access.log']) writeFileSync(folder.at(name), SECRET, { mode: 0o600 });
}

function assertUntouched(folder: DaemonFolder): void {
  for (const name of ['secret', 'roots/access.log'])
    assert.equal(readFileSync(folder.at(name), 'utf8'), SECRET);
}

async function startFurnished(t: TestContext, options: DaemonOptions): Promise<Daemon> {
  const folder = new DaemonFolder();
  folder.writePieces({ files: FILES, ...options });
  furnish(folder);
  const daemon = new Daemon(folder, options);
  t.after(() => daemon.finish());
  await daemon.start();
  return daemon;
}

const linesOf = (tsfpm: Daemon, name: string) =>
  readFileSync(tsfpm.folder.at(name), 'utf8').split('\n').slice(0, -1);

const OTHERS_LINK =
  "Too many levels of symbolic links, others than root may have put the symbolic link '.*' there \\(40\\)";
const ACCESS_LOG = { 'access.log': '{folder}/logs/access.log', 'access.format': '%q' };
const SLOW_LOG = { slowlog: '{folder}/logs/slow.log', request_slowlog_timeout: '100ms' };

for (const [name, what, pieces] of [
  ['access.log', /failed to open access log \(.*\/access\.log\)/, { pools: { www: ACCESS_LOG } }],
  ['slow.log', /Unable to create or open slowlog\(.*\/slow\.log\)/, { pools: { www: SLOW_LOG } }],
  ['error.log', /failed to open error_log \(.*\)/, { global: { error_log: '{folder}/logs/error.log' } }],
] as const)
  test(`${name} as a tenant’s link to a file of root’s refuses the start, and -t finds it`, {
    skip: unlessRoot,
  }, async (t) => {
    const folder = prepareFolder(t, pieces);
    furnish(folder);
    const link = ['ln', '-s', folder.at('secret'), folder.at(`logs/${name}`)];
    execFileSync('setpriv', [`--reuid=${TENANT}`, '--clear-groups', ...link]);
    for (const more of [['-O'], ['-t']]) {
      const run = await runIn(folder, { ...pieces, arguments: more });
      assert.equal(run.code, 78);
      assert.match(run.stderr, new RegExp(`ERROR: ${what.source}: ${OTHERS_LINK}`));
    }
    assertUntouched(folder);
  });

test('a link planted under a running master is told at USR1 and by reopen, and the old file goes on', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startFurnished(t, { pools: { www: ACCESS_LOG } });
  assert.equal(statSync(tsfpm.folder.at('logs/access.log')).uid, TENANT);
  assert.equal(await tsfpm.get('plant.php', query('names=access.log')), 'planted');
  tsfpm.signal('SIGUSR1');
  await tsfpm.expectLog(new RegExp(`ERROR: failed to open access log \\(.*\\): ${OTHERS_LINK}`));
  await tsfpm.expectLog(/ERROR: unable to re-opened access log file/);
  assert.equal((await tsfpmCommand(tsfpm, 'reopen')).code, 1);
  tsfpm.signal('SIGUSR2');
  await tsfpm.expectLog(/ready to handle connections/);
  await tsfpm.request('missing.php', query('after'));
  await until('the old file has it', () => linesOf(tsfpm, 'logs/access.log.1').includes('after'));
  assertUntouched(tsfpm.folder);
  rmSync(tsfpm.folder.at('logs/access.log'));
  assert.equal((await tsfpmCommand(tsfpm, 'reopen')).code, 0);
});

test('a folder that a tenant has swapped for a link is told, and nothing is written behind it', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startFurnished(t, {
    pools: { www: { ...ACCESS_LOG, 'access.log': '{folder}/home/logs/access.log' } },
  });
  assert.equal(await tsfpm.get('swap.php'), 'swapped');
  tsfpm.signal('SIGUSR1');
  await tsfpm.expectLog(new RegExp(`ERROR: failed to open access log \\(.*\\): ${OTHERS_LINK}`));
  await tsfpm.expectLog(/unable to re-opened access log file/);
  await tsfpm.get('slow.php', query('after'));
  await until('the old file has it', () => linesOf(tsfpm, 'home/aside/access.log').includes('after'));
  assertUntouched(tsfpm.folder);
});

test('a slow log that has become a link is told at the next slow request', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startFurnished(t, { pools: { www: SLOW_LOG } });
  await tsfpm.get('plant.php', query('names=slow.log'));
  tsfpm.announce(/executing too slow/);
  await tsfpm.get('slow.php');
  await tsfpm.expectLog(new RegExp(`ERROR: unable to open slowlog \\(.*\\): ${OTHERS_LINK}`));
  assertUntouched(tsfpm.folder);
});

test('a log that is rotated in a tenant’s folder goes on there, and is his', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startFurnished(t, { pools: { www: { ...ACCESS_LOG, ...SLOW_LOG } } });
  tsfpm.announce(/executing too slow/);
  await tsfpm.get('slow.php', query('one'));
  await until('the slow log', () => linesOf(tsfpm, 'logs/slow.log').length > 0);
  const log = tsfpm.folder.at('logs/access.log');
  renameSync(log, `${log}.1`);
  tsfpm.signal('SIGUSR1');
  await tsfpm.expectLog(/access log file re-opened/);
  await tsfpm.get('slow.php', query('two'));
  await until('the new file', () => linesOf(tsfpm, 'logs/access.log').includes('two'));
  for (const name of ['access.log', 'access.log.1', 'slow.log']) {
    const { uid, mode } = statSync(tsfpm.folder.at(`logs/${name}`));
    assert.deepEqual([uid, mode & 0o777], [TENANT, 0o600], name);
  }
});

for (const [what, pieces] of [
  ['access log', { pools: { www: { 'access.log': '{folder}/pipe' } } }],
  ['error_log', { global: { error_log: '{folder}/pipe' } }],
  ['slowlog', { pools: { www: { ...SLOW_LOG, slowlog: '{folder}/pipe' } } }],
] as const)
  test(`a pipe without a reader as ${what} refuses the start at once, and says so`, async (t) => {
    const folder = prepareFolder(t, pieces);
    execFileSync('mkfifo', [folder.at('pipe')]);
    const { code, stderr } = await runIn(folder, { ...pieces });
    assert.equal(code, 78);
    assert.match(
      stderr,
      new RegExp(
        `ERROR: .*${what}.*: No such device or address, nobody has the pipe open for reading \\(6\\)`,
      ),
    );
  });
