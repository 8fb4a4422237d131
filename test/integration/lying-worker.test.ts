import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { MEMORY_PHP } from '../helpers/own-memory.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive } from '../helpers/processes.js';
import { sleep, until } from '../helpers/wait.js';

// request_terminate_timeout bounds scripts whatever their workers write into the scoreboard.

const TIMEOUT_S = 1;
/** By when they are gone: the timeout, six seconds of doubt, two looks, and patience with a busy machine. */
const BOUND_MS = 30_000;

/** What a script writes into its slot: where, what; and what it does then. */
const LIES = {
  'idle and computing': ['8', "pack('V', 1)", "md5('x')"],
  'idle and asleep': ['8', "pack('V', 1)", 'sleep(1)'],
  'waiting and computing': ['8', "pack('V', 6)", "md5('x')"],
  'a request in the future': ['48', "pack('P', PHP_INT_MAX)", 'sleep(1)'],
  'a request of before': ['96', "pack('P', hrtime(true))", 'sleep(1)'],
  'a slot that is being written': ['0', "pack('V', 1)", 'sleep(1)'],
  'no stage that there is': ['8', "pack('V', 77)", 'sleep(1)'],
  'still starting': ['8', "pack('V', 7)", 'sleep(1)'],
} as const;

function lie([at, bytes, act]: readonly [string, string, string]): string {
  return `<?php ${MEMORY_PHP}
    set_time_limit(0);
    file_put_contents($_GET['mark'], getmypid());
    [$from] = scoreboard();
    poke($from + 4096 + ${at}, ${bytes});
    for (;;) ${act};`;
}

const pool = { 'pm.max_children': 1, 'process.dumpable': 'yes', request_terminate_timeout: TIMEOUT_S };

async function startLying(daemon: Daemon, name: string, script: string): Promise<void> {
  const [worker = 0] = daemon.workers(name);
  const QUERY_STRING = `mark=${daemon.folder.at(`marks/${name}`)}`;
  daemon.request(script, { pool: name, params: { QUERY_STRING }, timeoutMs: BOUND_MS }).catch(() => {});
  await daemon.expectLog(new RegExp(`child ${worker} .*: request_terminate_timeout ends it, killing it`));
  await until('it is gone', () => !isAlive(worker));
  await until('another serves', () => daemon.workers(name).length === 1);
}

// Each waits for seconds that others may use.
describe('lies', { concurrency: 4 }, () => {
  for (const [name, what] of Object.entries(LIES))
    test(`a script whose worker says ${name} is ended all the same`, { timeout: 2 * BOUND_MS }, async (t) => {
      const daemon = await startTsfpm(t, {
        pools: { evil: pool },
        files: { 'lie.php': lie(what), 'pid.php': PID_PHP },
      });
      daemon.announce(/\[pool evil\] child/);
      await startLying(daemon, 'evil', 'lie.php');
      await daemon.get('pid.php');
    });
});

test('who is honestly idle is let be, for however long, with its kept-alive client', async (t) => {
  const daemon = await startTsfpm(t, {
    pools: { www: { ...pool, 'pm.max_children': 3 } },
    files: { 'pid.php': PID_PHP },
  });
  const client = await FastcgiConnection.open(daemon.address());
  t.after(() => client.close());
  const params = scriptParams(daemon.folder.script('pid.php'));
  const ask = async () => (await client.request({ params, keepConn: true })).body.toString();
  const served = await ask();
  const before = daemon.workers();
  const endMs = Date.now() + 14_000;
  // Others come and go, which wakes those that wait.
  while (Date.now() < endMs) {
    await daemon.get('pid.php');
    await sleep(20);
  }
  assert.equal(await ask(), served);
  assert.deepEqual(daemon.workers(), before);
});
