import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { prepareFolder, TSFPM } from '../helpers/daemon.js';
import type { DaemonFolder, Settings } from '../helpers/daemon-folder.js';
import { FpmAlike } from '../helpers/fpm-alike.js';
import { isAlive } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

/** A pool of which there is something to say before it serves: by the file, and by the start. */
const TALKATIVE: Settings = {
  pm: 'dynamic',
  'pm.min_spare_servers': 1,
  'pm.max_spare_servers': 2,
  'listen.acl_users': 'daemon',
  'listen.owner': 'daemon',
};

interface Run {
  readonly code: number | null;
  /** What whoever started it sees. */
  readonly seen: string;
  readonly log: string;
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** Starts tsfpm in the background, lets it serve, and ends it. */
async function inBackground(t: TestContext, folder: DaemonFolder): Promise<Run> {
  const argv = [TSFPM, '--config', folder.configFile, '-D'];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    cwd: folder.path,
    encoding: 'utf8',
  });
  await end(t, folder.at('tsfpm.pid'));
  return { code: status, seen: stdout + stderr, log: textOf(folder.at('error.log')) };
}

async function fpmInBackground(t: TestContext, fpm: FpmAlike): Promise<Run> {
  const { code, text } = fpm.run(['-D']);
  await end(t, `${fpm.path}/tsfpm.pid`);
  return { code, seen: text, log: fpm.log.text };
}

async function end(t: TestContext, pidFile: string): Promise<void> {
  const pid = Number(textOf(pidFile));
  if (pid === 0) return;
  t.after(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
  process.kill(pid, 'SIGTERM');
  await until(`${pid} has ended`, () => !isAlive(pid));
}

for (const [name, global, pool] of [
  ['with nothing to complain of', {}, {}],
  ['with something to complain of', {}, TALKATIVE],
  ['at log_level debug', { log_level: 'debug' }, TALKATIVE],
  ['at log_level error', { log_level: 'error' }, TALKATIVE],
  ['where the start fails', {}, { ...TALKATIVE, listen: '{folder}/missing/www.sock' }],
] as const)
  test(`in the background the caller sees what php-fpm's sees, and the log has the rest: ${name}`, {
    skip: unlessPhpFpm,
  }, async (t) => {
    const folder = prepareFolder(t, { global, pools: { www: pool } });
    const fpm = new FpmAlike(folder);
    const [ours, theirs] = [await inBackground(t, folder), await fpmInBackground(t, fpm)];
    assert.equal(ours.code, theirs.code);
    assert.equal(fpm.inCommon(ours.seen), theirs.seen);
    assert.doesNotMatch(ours.seen, /fpm is running|ready to handle/);
    // Our debugging is our own.
    if (!('log_level' in global)) assert.equal(fpm.inCommon(ours.log), fpm.inCommon(theirs.log));
  });

test('in the background with error_log = syslog the caller sees no more than that', async (t) => {
  const folder = prepareFolder(t, { global: { error_log: 'syslog' }, pools: { www: TALKATIVE } });
  const { code, seen } = await inBackground(t, folder);
  assert.equal(code, 0);
  assert.match(seen, /^.*NOTICE: \[pool www\] pm\.start_servers .*\n.*WARNING: \[pool www\] ACL set, .*\n$/);
});
