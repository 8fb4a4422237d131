import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { programFolder } from '../helpers/php-program.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive } from '../helpers/processes.js';
import { sleep, until } from '../helpers/wait.js';

/** dist/test/integration/ -> the repository */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

// What happens when somebody speaks for a zygote who is none, as opcache's preload script could before it was shut out.

/** A php-cgi that calls any process its worker, and the file that tells it which, and what to do then. */
function lyingPhp(t: TestContext): { readonly path: string; readonly order: string } {
  const folder = programFolder(t);
  const [path, order] = [join(folder, 'php-cgi'), join(folder, 'order')];
  const source = join(ROOT, 'test/helpers/stub-zygote.c');
  const args = [`-I${join(ROOT, 'src/runtime')}`, `-DORDER="${order}"`, '-o', path, source];
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return { path, order };
}

function unrelatedProcess(t: TestContext): number {
  const victim = spawn('sleep', ['300']);
  t.after(() => victim.kill('SIGKILL'));
  return victim.pid ?? 0;
}

const POOLS = {
  good: { 'pm.max_children': 1 },
  evil: {
    pm: 'dynamic',
    'pm.max_children': 2,
    'pm.start_servers': 1,
    'pm.min_spare_servers': 1,
    'pm.max_spare_servers': 1,
    request_terminate_timeout: '200ms',
    request_slowlog_timeout: '100ms',
    slowlog: '{folder}/slow.log',
  },
};

async function startWithLiar(t: TestContext): Promise<{ readonly daemon: Daemon; readonly order: string }> {
  const { path, order } = lyingPhp(t);
  const daemon = await startTsfpm(t, {
    files: { 'pid.php': PID_PHP },
    pools: { good: POOLS.good, evil: { ...POOLS.evil, php_cgi: path } },
  });
  daemon.announce(/\[pool evil\]/);
  return { daemon, order };
}

/** How long a request of the lying pool may take by its limits, and then some. */
const LONG_ENOUGH_MS = 1500;

// Each waits for seconds that others may use.
describe('lies about a stranger', { concurrency: 4 }, () => {
  for (const [act, told] of [
    [
      'stay',
      /zygote \d+ broke the control protocol \(a worker with pid \d+, which is no child of the zygote\)/,
    ],
    [
      'forge',
      /zygote \d+ broke the control protocol \(a worker with pid \d+, which is no child of the zygote\)/,
    ],
    ['babble', /zygote \d+ broke the control protocol \(a frame of unknown type 99\)/],
    ['die', /zygote \d+ exited on signal 9/],
    ['stop', /zygote \d+ does not answer; killing it/],
  ] as const)
    test(`a zygote that calls a stranger its worker harms nobody, whatever it does then: ${act}`, async (t) => {
      const { daemon, order } = await startWithLiar(t);
      const victim = unrelatedProcess(t);
      writeFileSync(order, `${victim} ${act}`);
      await daemon.expectLog(told);
      await sleep(LONG_ENOUGH_MS);
      assert.ok(isAlive(victim));
      await daemon.get('pid.php', { pool: 'good' });
      assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
      assert.ok(isAlive(victim));
      assert.doesNotMatch(daemon.log.text, new RegExp(`child ${victim}, script`));
    });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)
    test(`${signal} right after the lie ends the daemon, and not the stranger`, async (t) => {
      const { daemon, order } = await startWithLiar(t);
      const victim = unrelatedProcess(t);
      writeFileSync(order, `${victim} stop`);
      await until('the zygote has lied', () => daemon.log.text.includes(`child ${victim}`), 3000).catch(
        () => {},
      );
      assert.deepEqual(await daemon.stop(signal), { code: 0, signal: null });
      assert.ok(isAlive(victim));
    });
});

test('nor are other pools’ zygotes and workers, or the master, whose child it is not', async (t) => {
  const { daemon, order } = await startWithLiar(t);
  const before = [daemon.zygote('good') ?? 0, ...(await daemon.untilWorkers(undefined, 'good'))];
  for (const victim of before) {
    writeFileSync(order, `${victim} die`);
    await daemon.expectLog(/zygote \d+ exited on signal 9/);
  }
  await sleep(LONG_ENOUGH_MS);
  assert.deepEqual([daemon.zygote('good') ?? 0, ...daemon.workers('good')], before);
  await daemon.get('pid.php', { pool: 'good' });
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
});

test('a reload whose new zygote lies is refused for that pool, and harms nobody', async (t) => {
  const { path, order } = lyingPhp(t);
  const daemon = await startTsfpm(t, { files: { 'pid.php': PID_PHP }, pools: { www: POOLS.good } });
  daemon.announce(/\[pool www\]|WARNING|ERROR/);
  const victim = unrelatedProcess(t);
  writeFileSync(order, `${victim} stay`);
  const worker = await daemon.get('pid.php');
  daemon.folder.writePieces({ pools: { www: { ...POOLS.good, php_cgi: path } } });
  daemon.signal('SIGUSR2');
  await daemon.expectLog(/its first worker does not answer: .*; it keeps its old generation/);
  assert.equal(await daemon.get('pid.php'), worker);
  assert.ok(isAlive(victim));
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  assert.ok(isAlive(victim));
});
