import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Pid } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { isAlive } from '../helpers/processes.js';
import { sleep, until } from '../helpers/wait.js';

// opcache is emptied (opcache_reset(), out of memory) at the start of a request at which no worker is within one. Workers
// tell each other by locks of the kernel, or by flags of the runtime: nobody is to notice a difference.

/** Tells its pid, then waits until it may end. */
const NAP = `file_put_contents("$folder/started", getmypid()); for ($i = 0; $i < 3000 && !file_exists("$folder/gate"); $i++) usleep(10000);`;

const files = {
  'nap.php': `<?php $folder = dirname(__DIR__) . '/tmp'; ${NAP} echo 'woken';`,
  'fork.php': `<?php $folder = dirname(__DIR__) . '/tmp'; if (pcntl_fork() === 0) exit; pcntl_wait($status); ${NAP} echo 'woken';`,
  'reset.php': '<?php echo opcache_reset() ? "reset" : "";',
  'status.php': `<?php $status = opcache_get_status(false);
    echo json_encode($status ? [$status['restart_pending'], $status['opcache_statistics']['manual_restarts']] : null);`,
};

const PENDING = [true, 0];
const DONE = [false, 1];

const TWO_WORKERS: Settings = { 'pm.max_children': 2 };

const start = (t: TestContext, pools: Record<string, Settings>) => startTsfpm(t, { pools, files });
const status = (tsfpm: Daemon, pool?: string) =>
  tsfpm.getJson('status.php', pool === undefined ? {} : { pool });

/** Has a worker of the first pool within a request, from now until {@link Nap.end}. */
async function startNap(
  tsfpm: Daemon,
  script = 'nap.php',
): Promise<{ pid: Pid; end: () => Promise<string> }> {
  const [started, gate] = [tsfpm.folder.at('tmp/started'), tsfpm.folder.at('tmp/gate')];
  for (const file of [started, gate]) rmSync(file, { force: true });
  const answer = tsfpm.get(script, { timeoutMs: 60_000 }).catch(() => '');
  await until('it has started', () => existsSync(started));
  const pid = await until('it has told its pid', () => Number(readFileSync(started, 'utf8')));
  return {
    pid,
    end: async () => {
      writeFileSync(gate, '');
      const text = await answer;
      for (const file of [started, gate]) rmSync(file, { force: true });
      return text;
    },
  };
}

for (const script of ['nap.php', 'fork.php'])
  test(`opcache is emptied only when no worker is within a request: ${script}`, async (t) => {
    const tsfpm = await start(t, { www: TWO_WORKERS });
    const nap = await startNap(tsfpm, script);
    assert.equal(await tsfpm.get('reset.php'), 'reset');
    for (let i = 0; i < 5; i++) assert.deepEqual(await status(tsfpm), PENDING);
    assert.equal(await nap.end(), 'woken');
    assert.deepEqual(await status(tsfpm), DONE);
    // And once more, by workers that have been through it.
    const second = await startNap(tsfpm, script);
    assert.equal(await tsfpm.get('reset.php'), 'reset');
    for (let i = 0; i < 5; i++) assert.deepEqual(await status(tsfpm), [true, 1]);
    assert.equal(await second.end(), 'woken');
    assert.deepEqual(await status(tsfpm), [false, 2]);
  });

test('a worker that is killed within a request keeps no one from emptying opcache', async (t) => {
  const tsfpm = await start(t, { www: TWO_WORKERS });
  const nap = await startNap(tsfpm);
  assert.equal(await tsfpm.get('reset.php'), 'reset');
  assert.deepEqual(await status(tsfpm), PENDING);
  process.kill(nap.pid, 'SIGKILL');
  await tsfpm.expectLog(/exited on signal 9 \(SIGKILL\)/);
  await tsfpm.untilWorkers(2);
  assert.deepEqual(await status(tsfpm), DONE);
  await nap.end();
});

test('pools of one opcache.share wait for each other, others do not', async (t) => {
  const shared = { ...TWO_WORKERS, 'opcache.share': 'shop' };
  const tsfpm = await start(t, { one: shared, two: shared, own: TWO_WORKERS, more: TWO_WORKERS });
  const nap = await startNap(tsfpm);
  for (const pool of ['own', 'two']) assert.equal(await tsfpm.get('reset.php', { pool }), 'reset');
  assert.deepEqual(await status(tsfpm, 'own'), DONE);
  for (let i = 0; i < 5; i++) assert.deepEqual(await status(tsfpm, 'two'), PENDING);
  assert.equal(await nap.end(), 'woken');
  assert.deepEqual(await status(tsfpm, 'two'), DONE);
});

test('opcache.force_restart_timeout ends whoever keeps opcache from being emptied', async (t) => {
  const tsfpm = await start(t, {
    www: { ...TWO_WORKERS, 'php_admin_value[opcache.force_restart_timeout]': '1' },
  });
  const nap = await startNap(tsfpm);
  assert.equal(await tsfpm.get('reset.php'), 'reset');
  assert.deepEqual(await status(tsfpm), PENDING);
  await until('it was emptied', async () => {
    await sleep(300);
    return JSON.stringify(await status(tsfpm)) === JSON.stringify(DONE);
  });
  assert.ok(!isAlive(nap.pid));
  await tsfpm.expectLog(new RegExp(`child ${nap.pid} exited`));
  tsfpm.announce(/locker|Forced restart/);
  await nap.end();
});
